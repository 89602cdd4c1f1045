import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { latenessOf } from "./lateness.ts";

const FRAMES = [
  { frame: "a1", lane: "alarm", atMs: 1000, received: 1030 },
  { frame: "a2", lane: "alarm", atMs: 1500, received: 1510 },
  { frame: "t1", lane: "telemetry", atMs: 1100, received: 2000 },
  { frame: "early", lane: "telemetry", atMs: 900, received: 9000 },
  { frame: "late", lane: "alarm", atMs: 2001, received: 9000 },
];

test("frames sent in the window are joined with the log by their content, lane by lane", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-lateness-"));
  try {
    const [sentFile, logFile] = [join(directory, "sent.ndjson"), join(directory, "log.ndjson")];
    const sent = FRAMES.map(({ frame, lane, atMs }) => ({ sha256: sha256(frame), lane, atMs }));
    const log = FRAMES.toReversed().map(({ frame, received }) => ({
      frame: Buffer.from(frame).toString("base64url"),
      received,
    }));
    await writeFile(sentFile, lines([{ "paddock-sent": 1 }, ...sent, { summary: {} }]));
    // The gateway's own records are nobody's frames.
    await writeFile(logFile, lines([{ received: 1, evicted: 2 }, { frame: "bm9uZQ", received: 5 }, ...log]));
    const lanes = await latenessOf({ sentFile, logFile }, { fromMs: 1000, toMs: 2000 });
    expect([...lanes.keys()].toSorted()).toEqual(["alarm", "telemetry"]);
    expect(lanes.get("alarm")).toEqual({ count: 2, minMs: 10, p50Ms: 10, p95Ms: 30, maxMs: 30 });
    expect(lanes.get("telemetry")).toEqual({ count: 1, minMs: 900, p50Ms: 900, p95Ms: 900, maxMs: 900 });
  } finally {
    await rm(directory, { recursive: true });
  }
});

function sha256(frame: string): string {
  return createHash("sha256").update(frame).digest("hex");
}

function lines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}
