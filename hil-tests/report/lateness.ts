import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { percentile } from "./outage.ts";

/** From the sensor's first datagram to the collector's log, ms. */
export interface Lateness {
  readonly count: number;
  readonly minMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/**
 * How late the frames of each lane that were sent in the window, Unix ms, came to the collector. Joins the simulator's
 * sent ledger with the collector's log by the content of the frames; all of them have to be in the log.
 */
export async function latenessOf(
  { sentFile, logFile }: { readonly sentFile: string; readonly logFile: string },
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<ReadonlyMap<string, Lateness>> {
  const sent = new Map<string, { readonly lane: string; readonly atMs: number }>();
  for await (const line of createInterface({ input: createReadStream(sentFile) })) {
    const { sha256, lane, atMs } = JSON.parse(line) as { sha256?: string; lane?: string; atMs?: number };
    if (sha256 === undefined || lane === undefined || atMs === undefined) continue;
    if (atMs >= fromMs && atMs <= toMs) sent.set(sha256, { lane, atMs });
  }
  const late = new Map<string, number[]>();
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    const { frame, received } = JSON.parse(line) as { frame?: string; received?: number };
    if (frame === undefined || received === undefined) continue;
    const sha256 = createHash("sha256").update(Buffer.from(frame, "base64url")).digest("hex");
    const found = sent.get(sha256);
    if (found === undefined) continue;
    if (!late.has(found.lane)) late.set(found.lane, []);
    late.get(found.lane)!.push(received - found.atMs);
    sent.delete(sha256);
  }
  return new Map([...late].map(([lane, values]) => [lane, summaryOf(values)]));
}

function summaryOf(values: readonly number[]): Lateness {
  return {
    count: values.length,
    minMs: values.reduce((least, value) => Math.min(least, value)),
    p50Ms: percentile(values, 0.5),
    p95Ms: percentile(values, 0.95),
    maxMs: percentile(values, 1),
  };
}
