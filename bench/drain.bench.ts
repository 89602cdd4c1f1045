import { readFrames } from "./load/log-follower.ts";
import { quantile, round, sleep, within } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { Rig } from "./load/rig.ts";

/**
 * The collector is away until the backlog is full, then comes back while 10,000 frames/s keep arriving. What happened
 * is read from its log afterwards: when each frame was sent, and when the ledger wrote it (to the millisecond).
 */

const BACKLOG_FRAMES = 300_000;
const FILL_RATE = 30_000;
const LIVE_RATE = 10_000;
/** Live frames before the collector is started again. */
const LEAD_S = 1;
/** And after the backlog is gone. */
const TAIL_S = 1;
const DRAIN_LIMIT_S = 60;
/** What is always under way at the live rate. */
const NEARLY_NOTHING = 2000;

export async function drain({ quick, directory, progress }: BenchOptions): Promise<Row[]> {
  const backlog = quick ? 100_000 : BACKLOG_FRAMES;
  const rig = await Rig.start(directory);
  try {
    await rig.flood.send({ kind: "non", port: rig.coapPort, rate: 20_000, seconds: 2, first: 3e9 });
    await rig.idle(5000);
    const from = await rig.logEnd();
    const before = await takenBy(rig);
    await rig.collector.stop();
    const filled = await rig.flood.send({
      kind: "non",
      port: rig.coapPort,
      rate: FILL_RATE,
      seconds: backlog / FILL_RATE,
      first: 0,
    });
    progress(`${filled.sent} frames of backlog`);
    const { promise: until, resolve: enough } = Promise.withResolvers<void>();
    const live = rig.flood.send({
      kind: "non",
      port: rig.coapPort,
      rate: LIVE_RATE,
      seconds: 2 * DRAIN_LIMIT_S,
      first: backlog * 2,
      until,
    });
    await sleep(LEAD_S * 1000);
    await rig.startCollector();
    const startedMs = Date.now();
    const gone = await within(
      DRAIN_LIMIT_S * 1000,
      async () => (await rig.status()).buffer.pendingRecords < NEARLY_NOTHING,
      100,
    );
    await sleep(TAIL_S * 1000);
    enough();
    const { sent: liveSent } = await live;
    if (!gone || !(await rig.idle(10_000))) throw new Error(`the backlog did not drain within ${DRAIN_LIMIT_S} s`);

    const backlogTimes: number[] = [];
    const liveFrames: { sentMs: number; receivedMs: number }[] = [];
    const seen = new Set<number>();
    const reader = await readFrames(rig, {
      from,
      follow: false,
      frame: ({ sequence, sentUs, receivedMs }) => {
        seen.add(sequence);
        if (sequence < backlog * 2) backlogTimes.push(receivedMs);
        else liveFrames.push({ sentMs: sentUs / 1000, receivedMs });
      },
    });
    await reader.ended;
    const after = await takenBy(rig);
    const dropped = after.dropped - before.dropped;
    const total = after.committed - before.committed;
    if (total + dropped !== filled.sent + liveSent)
      throw new Error(
        `${filled.sent + liveSent} frames sent, ${total} taken, ${dropped} counted as dropped or refused`,
      );
    const count = backlogTimes.length + liveFrames.length;
    if (seen.size !== total || count !== total)
      throw new Error(`${total} frames taken, ${count} in the log, ${seen.size} different ones`);

    let healedMs = Infinity;
    let doneMs = 0;
    for (const time of backlogTimes) doneMs = Math.max(doneMs, time);
    for (const time of backlogTimes) healedMs = Math.min(healedMs, time);
    for (const { receivedMs } of liveFrames) healedMs = Math.min(healedMs, receivedMs);
    // What was sent while nothing could leave is backlog, whenever it was sent.
    const sinceHealed = liveFrames.filter(({ sentMs }) => sentMs > healedMs);
    const during = sinceHealed.filter(({ sentMs }) => sentMs < doneMs);
    const delays = (frames: typeof liveFrames) => frames.map(({ sentMs, receivedMs }) => receivedMs - sentMs);
    const drained = total - sinceHealed.length;
    const rate = (drained / (doneMs - healedMs)) * 1000;
    progress(
      `collector up to first batch ${healedMs - startedMs} ms; ${drained} frames in ${doneMs - healedMs} ms, ` +
        `${during.length} live ones meanwhile`,
    );
    return [
      {
        what: `drain of ${drained} frames beside ${LIVE_RATE}/s`,
        unit: "frames/s",
        value: round(rate),
        target: { is: "at least", value: 100_000 },
      },
      {
        what: "live delay while draining, p99",
        unit: "ms",
        value: round(quantile(delays(during), 0.99), 1),
        target: { is: "under", value: 100 },
      },
      { what: "live delay while draining, p50", unit: "ms", value: round(quantile(delays(during), 0.5), 1) },
      { what: "live delay since healed, p99", unit: "ms", value: round(quantile(delays(sinceHealed), 0.99), 1) },
      { what: "dropped or refused before they were taken", unit: "frames", value: dropped },
      { what: "collector ready to first batch", unit: "ms", value: healedMs - startedMs },
    ];
  } finally {
    await rig.stop();
  }
}

/** Frames that became durable; those that were not taken: dropped by the kernel, or refused as the disk was behind. */
async function takenBy(rig: Rig): Promise<{ committed: number; dropped: number }> {
  const { lanes, ingest } = await rig.status();
  return {
    committed: lanes.reduce((sum, lane) => sum + lane.committedFrames, 0),
    dropped: ingest.kernelDrops + (ingest.refused["pressure"] ?? 0),
  };
}
