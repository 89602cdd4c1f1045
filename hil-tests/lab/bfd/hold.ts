/*
 * Counts false downs beside a gateway that takes all the load it can, ours beside FRR's against the same peer. The lab
 * test hold.lab.test.ts does it for a short while.
 *
 *     node hil-tests/lab/bfd/hold.ts [--seconds 300] [--priority fifo|weight|none]
 */
import { parseArgs } from "node:util";
import { missingForLab } from "../namespaces.ts";
import { measureHold } from "./hold-run.ts";
import { parsePriority } from "./priority.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "300" }, priority: { type: "string", default: "fifo" } },
});
const missing = missingForLab(["bfdd", "nft", "chrt", "taskset"]);
if (missing.length > 0) throw new Error(missing.join(" "));

const options = { seconds: Number(values.seconds), priority: parsePriority(values.priority) };
const { downs, ...report } = await measureHold(options);
for (const line of downs) process.stdout.write(`${JSON.stringify(line)}\n`);
process.stdout.write(`${JSON.stringify(report)}\n`);
