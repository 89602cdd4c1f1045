/*
 * Measures how long detection takes after the last packet, ours beside FRR's on the same cuts, at 50 ms x3 and
 * 300 ms x3. The lab test detection.lab.test.ts does the same with priority `fifo`.
 *
 *     node hil-tests/lab/bfd/detection.ts [--cuts 25] [--priority fifo|weight|none]
 */
import { parseArgs } from "node:util";
import { missingForLab } from "../namespaces.ts";
import { measureDetection, spread } from "./detection-cuts.ts";
import { parsePriority } from "./priority.ts";

const { values } = parseArgs({
  options: { cuts: { type: "string", default: "25" }, priority: { type: "string", default: "fifo" } },
});
const missing = missingForLab(["bfdd", "nft", "dumpcap", "tshark", "chrt", "taskset"]);
if (missing.length > 0) throw new Error(missing.join(" "));

const cuts = Number(values.cuts);
const { detections, ...report } = await measureDetection({ cuts, priority: parsePriority(values.priority) });
for (const { speaker, intervalMs, overMs, overLessStallsMs, told } of detections) {
  const line = {
    speaker,
    session: `${intervalMs}x3`,
    detected: overMs.length,
    told,
    over: spread(overMs),
    overLessStalls: spread(overLessStallsMs),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
process.stdout.write(`${JSON.stringify(report)}\n`);
