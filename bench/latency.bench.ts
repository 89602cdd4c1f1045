import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { readFrames } from "./load/log-follower.ts";
import { median, quantile, round, sleep, within } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { Rig } from "./load/rig.ts";

/**
 * 1,000 CON frames/s: from sending to 2.04, and from sending to the moment at which a reader of the collector's log has
 * the frame. The log shows what is durable and receipted, and the reader's own way counts in, so this is an upper bound
 * of sensor to receipt. The disk is measured in the same run, in the same directory.
 */

const RATE = 1000;
const WRITE_BYTES = 4096;

export async function latency({ quick, directory, progress }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 1 : 3;
  const seconds = quick ? 3 : 8;
  const rig = await Rig.start(directory);
  try {
    // Until both processes are compiled for it, latency is that of the compiler.
    await rig.flood.send({ kind: "con", port: rig.coapPort, rate: RATE, seconds: quick ? 2 : 4, first: 0 });
    await rig.idle(5000);
    const results: { disk: number; p50: number; p99: number; receipt50: number; receipt99: number; lost: number }[] =
      [];
    for (let turn = 0; turn < rounds; turn++) {
      const disk = threeSyncedWritesMs(rig.directory);
      const delays: number[] = [];
      const seen = new Set<number>();
      const follower = await readFrames(rig, {
        from: await rig.logEnd(),
        follow: true,
        frame: ({ sequence, sentUs }) => {
          seen.add(sequence);
          delays.push(performance.timeOrigin + performance.now() - sentUs / 1000);
        },
      });
      const first = (turn + 1) * 1e6;
      const report = await rig.flood.send({ kind: "con", port: rig.coapPort, rate: RATE, seconds, first });
      await within(3000, async () => seen.size >= report.sent);
      follower.close();
      if (seen.size !== report.sent) throw new Error(`${report.sent} frames sent, ${seen.size} in the collector's log`);
      const result = {
        disk,
        p50: report.p50Us / 1000,
        p99: report.p99Us / 1000,
        receipt50: quantile(delays, 0.5),
        receipt99: quantile(delays, 0.99),
        lost: report.lost + report.refused,
      };
      results.push(result);
      progress(
        `round ${turn + 1}: 3 synced writes ${disk.toFixed(2)} ms; 2.04 ${result.p50.toFixed(2)} / ${result.p99.toFixed(2)} ms; ` +
          `ledger ${result.receipt50.toFixed(2)} / ${result.receipt99.toFixed(2)} ms`,
      );
      await sleep(200);
    }
    const all = (field: keyof (typeof results)[number], target?: Row["target"]) => {
      const values = results.map((result) => round(result[field], 2));
      return {
        unit: "ms",
        value: round(median(values), 2),
        rounds: values,
        ...(target === undefined ? {} : { target }),
      };
    };
    const disk = all("disk");
    return [
      { what: "3 synced 4 KiB writes, p50", ...disk },
      { what: "sensor to 2.04, p50", ...all("p50", { is: "under", value: disk.value }) },
      { what: "sensor to 2.04, p99", ...all("p99") },
      { what: "sensor to ledger, p50", ...all("receipt50", { is: "under", value: 12 }) },
      { what: "sensor to ledger, p99", ...all("receipt99", { is: "under", value: 50 }) },
      { ...all("lost"), what: "CON without 2.04", unit: "frames", target: { is: "under", value: 1 } },
    ];
  } finally {
    await rig.stop();
  }
}

/** Median of 100 times three appended 4 KiB writes with fdatasync, on a disk that does nothing else for us. */
function threeSyncedWritesMs(directory: string): number {
  const file = join(directory, "synced-writes");
  const bytes = Buffer.alloc(WRITE_BYTES, 1);
  const descriptor = openSync(file, "w");
  const samples: number[] = [];
  for (let sample = 0; sample < 100; sample++) {
    const start = performance.now();
    for (let write = 0; write < 3; write++) {
      writeSync(descriptor, bytes);
      fdatasyncSync(descriptor);
    }
    samples.push(performance.now() - start);
  }
  closeSync(descriptor);
  rmSync(file);
  return median(samples);
}
