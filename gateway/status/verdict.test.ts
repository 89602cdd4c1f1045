import { describe, expect, test } from "vitest";
import { gatewayStatus, laneStatus } from "../testing/status-fixture.ts";
import type { PathStatus } from "./status.ts";
import { judge, unreadiness, type VerdictLevel } from "./verdict.ts";

const buffered = { pendingRecords: 41_220, pendingBytes: 12_000_000 };
const id = "ab".repeat(32);

test.each<[string, Parameters<typeof gatewayStatus>[0], VerdictLevel, string]>([
  ["forwarding", {}, "ok", "Forwarding live on fibre; backlog 0."],
  [
    "frames on their way are no backlog",
    { ingest: { acceptedFramesPerS: 10_000 }, buffer: { pendingRecords: 19_000 } },
    "ok",
    "Forwarding live on fibre; backlog 0.",
  ],
  [
    "a backlog that shrinks says when it is done",
    { buffer: { ...buffered, drainRecordsPerS: 400 } },
    "ok",
    "Forwarding on fibre; backlog 41,220 frames, done in about 1 min 43 s.",
  ],
  [
    "a backlog that grows has no end",
    { buffer: { ...buffered, drainRecordsPerS: -20 } },
    "ok",
    "Forwarding on fibre; backlog 41,220 frames.",
  ],
  [
    "no path",
    { uplinks: { active: null, withoutPathS: 180 }, buffer: buffered },
    "attention",
    "Buffering: no path to the collector for 3 min 0 s; 41,220 frames, 12 MB of 1 GB.",
  ],
  [
    "a path that is missing for a moment is a switch on its way",
    { uplinks: { active: null, withoutPathS: 0.4 }, buffer: { pendingRecords: 1, pendingBytes: 90 } },
    "ok",
    "Buffering: no path to the collector; 1 frame, 90 B of 1 GB.",
  ],
  [
    "a path that is up and gets nowhere",
    { uplinks: { lastReceiptS: 120 }, buffer: buffered },
    "attention",
    "Stuck on fibre: no receipt for 2 min 0 s; 41,220 frames, 12 MB of 1 GB.",
  ],
  [
    "nothing to send needs no receipt",
    { uplinks: { lastReceiptS: 7200 }, buffer: { pendingRecords: 0, pendingBytes: 0 } },
    "ok",
    "Forwarding live on fibre; backlog 0.",
  ],
  [
    "no collector configured",
    { uplinks: { configured: false, active: null, enrolment: "unknown" }, buffer: buffered },
    "ok",
    "Buffering only, as no collector is configured: 41,220 frames, 12 MB of 1 GB.",
  ],
  [
    "waiting for the operator",
    { uplinks: { enrolment: "pending", active: "fibre" }, buffer: buffered },
    "attention",
    "Buffering: waiting for the collector's operator to approve this gateway; 41,220 frames, 12 MB of 1 GB.",
  ],
  [
    "denied by the operator",
    { uplinks: { enrolment: "denied" }, buffer: buffered },
    "broken",
    "Buffering: the collector's operator denied this gateway; 41,220 frames, 12 MB of 1 GB.",
  ],
  [
    "a chain that the collector refuses",
    { uplinks: { stopped: [{ lane: "telemetry", epoch: 0, why: "fork at 12" }] }, buffer: buffered },
    "broken",
    "Not forwarding telemetry: the collector refuses the chain; 41,220 frames, 12 MB of 1 GB.",
  ],
  [
    "an older epoch that the collector refuses, while the newest arrives",
    {
      lanes: [laneStatus(0), laneStatus(1, { epoch: 1 }), laneStatus(2)],
      uplinks: { stopped: [{ lane: "telemetry", epoch: 0, why: "fork at 12" }] },
    },
    "attention",
    "Forwarding live on fibre; frames of telemetry stay in an older epoch, which the collector refuses.",
  ],
  [
    "a lane that refuses",
    {
      lanes: [laneStatus(0, { full: true }), laneStatus(1), laneStatus(2)],
      uplinks: { active: null, withoutPathS: 9 },
    },
    "broken",
    "Refusing alarm frames: the store is full (12 frames, 1.5 kB of 1 GB).",
  ],
  [
    "a disk that is full, whether a frame has been refused lately or not",
    { buffer: { freeDiskBytes: 8_000_000, minFreeBytes: 67_000_000 } },
    "broken",
    "Refusing new frames: the disk is full (8 MB free, and store.minFreeBytes keeps 67 MB); 12 frames, 1.5 kB of 1 GB.",
  ],
  [
    "a disk that is full while a lane says so",
    { lanes: [laneStatus(0, { full: true }), laneStatus(1), laneStatus(2)], buffer: { freeDiskBytes: 0 } },
    "broken",
    "Refusing alarm frames: the disk is full (0 B free, and store.minFreeBytes keeps 64 MB); 12 frames, 1.5 kB of 1 GB.",
  ],
  ["stopping", { stopping: true }, "attention", "Stopping: no new frames are taken."],
  [
    "evictions stay a matter of attention while all else is well",
    { lanes: [laneStatus(0), laneStatus(1, { evictedRecords: 9, evictedBytes: 900 }), laneStatus(2)] },
    "attention",
    "Forwarding live on fibre; backlog 0.",
  ],
  ["a BFD speaker that is gone", { uplinks: { speaker: "gone" } }, "attention", "Forwarding live on fibre; backlog 0."],
  [
    "a path that is down beside one that carries",
    { uplinks: { paths: [{ ...gatewayStatus().uplinks.paths[0]!, name: "lte", liveness: "down", why: "no answer" }] } },
    "attention",
    "Forwarding live on fibre; backlog 0.",
  ],
  ["drops in the kernel", { ingest: { kernelDrops: 3 } }, "attention", "Forwarding live on fibre; backlog 0."],
  [
    "a sensors file that cannot be used",
    { ingest: { sensorsProblems: [{ text: "The sensors file cannot be used.", next: "paddock gateway sensors" }] } },
    "attention",
    "Forwarding live on fibre; backlog 0.",
  ],
  [
    "something wrong on the CONFIG partition",
    { notices: ["gateway.json line 3: it is not JSON."] },
    "attention",
    "Forwarding live on fibre; backlog 0.",
  ],
  ["a clock that was never set", { clock: { quality: "unset" } }, "attention", "Forwarding live on fibre; backlog 0."],
])("%s", (_what, patch, level, sentence) => {
  const verdict = judge(gatewayStatus(patch));
  expect(verdict.sentence).toBe(sentence);
  expect(verdict.level).toBe(level);
  expect(verdict.problems.length > 0).toBe(level !== "ok");
});

test("the worst problem comes first, each with the command to type next", () => {
  const { problems } = judge(
    gatewayStatus({
      ingest: { kernelDrops: 3, receiveBufferBytes: 212_992 },
      uplinks: { enrolment: "denied" },
      clock: { quality: "unset" },
    }),
  );
  expect(problems.map(({ level, next }) => [level, next])).toEqual([
    ["broken", `paddock collector approve ${id}`],
    ["attention", "sysctl -w net.core.rmem_max=4194304"],
    ["attention", "timedatectl"],
  ]);
});

test("a claim code that was not taken is named beside the wait", () => {
  const { problems } = judge(gatewayStatus({ uplinks: { enrolment: "pending", claimNotTaken: true } }));
  expect(problems.map(({ text }) => text)).toContain(
    "The collector waits for its operator to approve this gateway. It did not take the claim code (collector.claim).",
  );
});

/** With a second path that is like this. */
function judgePath(patch: Partial<PathStatus>) {
  const [fibre] = gatewayStatus().uplinks.paths;
  const { level, sentence, problems } = judge(
    gatewayStatus({ uplinks: { paths: [fibre!, { ...fibre!, name: "b", role: "standby", ...patch }] } }),
  );
  return { level, sentence, problems: problems.map(({ text }) => text) };
}

describe("a path that is not usable, or not watched as configured", () => {
  const refused = { why: "nothing listens at [::1]:443", remedy: "correct the endpoint", forS: 120 };
  const unwatched = {
    why: "BFD end to end was never up",
    remedy: "check the discriminator and UDP port 7784",
    forS: 80,
  };

  test.each<[string, Partial<PathStatus>, string]>([
    [
      "one that nobody answers on",
      { liveness: "unknown", standing: "unusable", trouble: refused },
      "Path b: nothing listens at [::1]:443, for 2 min 0 s: correct the endpoint.",
    ],
    [
      "one whose BFD was never up, although its session is open",
      { liveness: "unknown", trouble: unwatched },
      "Path b: BFD end to end was never up, for 1 min 20 s: check the discriminator and UDP port 7784.",
    ],
    [
      "a first hop that was never up, although the other end answers",
      { liveness: "up", trouble: { ...unwatched, why: "BFD to the first hop was never up" } },
      "Path b: BFD to the first hop was never up, for 1 min 20 s: check the discriminator and UDP port 7784.",
    ],
    [
      "one that BFD calls down says so at once, whatever follows from it",
      { liveness: "down", why: "no answer", trouble: refused },
      "Path b: no answer.",
    ],
  ])("%s", (_what, patch, text) => {
    expect(judgePath(patch)).toEqual({
      level: "attention",
      sentence: "Forwarding live on fibre; backlog 0.",
      problems: [text],
    });
  });

  test("has fifteen seconds to come back by itself", () => {
    expect(judgePath({ trouble: { ...refused, forS: 14.9 } })).toMatchObject({ level: "ok", problems: [] });
    expect(judgePath({ trouble: { ...refused, forS: 15 } }).level).toBe("attention");
  });
});

test.each([
  ["it stops", { stopping: true }, /^Stopping: no new frames are taken/],
  ["a lane is full", { lanes: [laneStatus(0, { full: true }), laneStatus(1)] }, /^Lane alarm refuses new frames/],
  ["the disk is full", { buffer: { freeDiskBytes: 0 } }, /^The disk is full/],
])("it does not take every frame while %s", (_, facts, says) => {
  expect(unreadiness(gatewayStatus(facts))).toMatch(says);
});

test("a gateway without a path takes every frame", () => {
  expect(unreadiness(gatewayStatus({ uplinks: { active: null, withoutPathS: 180 } }))).toBeUndefined();
});
