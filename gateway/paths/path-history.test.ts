import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { PathHistory } from "./path-history.ts";

test("a cut is told at the path that was left and at the one that took over; five are kept, the newest first", () => {
  const clock = new VirtualClock({ wallMs: 1000 });
  const history = new PathHistory(clock);
  history.noteLiveness("fibre", "up", { why: "BFD handshake" });
  clock.advance(500);
  history.noteLiveness("fibre", "down", { why: "BFD detection-expired", detectedInMs: 150.4 });
  const why = "fibre: down, BFD detection-expired";
  history.noteReport({ event: "path-switch", from: "fibre", to: "lte", why, detectedInMs: 150.4, framesResent: 7 });
  expect(history.of("fibre")).toEqual([
    { wallMs: 1500, what: "left", why, detectedInMs: 150.4, framesResent: 7 },
    { wallMs: 1500, what: "down", why: "BFD detection-expired", detectedInMs: 150.4, framesResent: null },
    { wallMs: 1000, what: "up", why: "BFD handshake", detectedInMs: null, framesResent: null },
  ]);
  expect(history.of("lte")).toEqual([
    { wallMs: 1500, what: "carries traffic", why, detectedInMs: null, framesResent: null },
  ]);
  for (let count = 0; count < 7; count++) {
    history.noteReport({ event: "session-lost", path: "lte", detail: `loss ${count}`, retryInMs: 1 });
  }
  expect(history.of("lte").map((each) => each.why)).toEqual(["loss 6", "loss 5", "loss 4", "loss 3", "loss 2"]);
  expect(history.of("radio")).toEqual([]);
});
