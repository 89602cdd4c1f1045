import { createInterface } from "node:readline";
import { stampOf } from "./flood.ts";
import type { Rig } from "./rig.ts";

/** A frame of the generator as the collector's log has it. */
export interface LoggedFrame {
  readonly sequence: number;
  /** Unix µs at which it was sent. */
  readonly sentUs: number;
  /** Unix ms at which the ledger wrote it. */
  readonly receivedMs: number;
}

/** Reads the log from an offset to its end, or for ever when `follow` is set: then each frame as it becomes visible. */
export async function readFrames(
  rig: Rig,
  { from, follow, frame }: { from: number; follow: boolean; frame: (frame: LoggedFrame) => void },
): Promise<{ close(): void; ended: Promise<void> }> {
  const answer = await rig.askCollector(`/v1/log?from=${from}${follow ? "&follow=1" : ""}`);
  const lines = createInterface({ input: answer });
  lines.on("line", (line) => {
    const { frame: encoded, received } = JSON.parse(line) as { frame?: string; received: number };
    const stamp = encoded === undefined ? undefined : stampOf(Buffer.from(encoded, "base64url"));
    if (stamp !== undefined) frame({ ...stamp, receivedMs: received });
  });
  const ended = new Promise<void>((resolve) => lines.once("close", resolve));
  answer.on("error", () => lines.close());
  return { close: () => answer.destroy(), ended };
}
