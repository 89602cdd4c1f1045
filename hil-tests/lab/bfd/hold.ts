/*
 * Counts false downs while the machine is kept busy: nothing is cut, so every Down is one. Ours beside FRR's, against
 * the same peer.
 *
 *     node hil-tests/lab/bfd/hold.ts [--seconds 300] [--hogs 4] [--no-fifo]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { missingForLab } from "../namespaces.ts";
import { buildSideBySide, CANDIDATES, PACES } from "./side-by-side.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    hogs: { type: "string", default: "4" },
    fifo: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const missing = missingForLab(["bfdd", "nft", "chrt"]);
if (missing.length > 0) throw new Error(missing.join(" "));

const { lab, speaker, far, allUp } = await buildSideBySide(values.fifo);
const hogs: ChildProcess[] = [];
try {
  await allUp();
  await new Promise((done) => setTimeout(done, 3000));
  const before = far.log().length;
  for (let index = 0; index < Number(values.hogs); index++) {
    hogs.push(
      spawn(process.execPath, ["-e", "for (;;) JSON.parse(JSON.stringify({ a: [1, 2, 3] }))"], { stdio: "ignore" }),
    );
  }
  await new Promise((done) => setTimeout(done, Number(values.seconds) * 1000));
  const log = far.log().slice(before).split("\n");
  for (const { name, prefix } of CANDIDATES) {
    for (const { intervalMs, suffix } of PACES) {
      const falls = log.filter((line) => line.includes(`peer:${prefix}${suffix} `) && line.includes("up -> down"));
      process.stdout.write(`${JSON.stringify({ speaker: name, session: `${intervalMs}x3`, downs: falls.length })}\n`);
    }
  }
  process.stdout.write(
    `${JSON.stringify({ fifo: values.fifo, seconds: Number(values.seconds), stalls: (await speaker.report()).stalls })}\n`,
  );
  await speaker.stop("SIGKILL");
} finally {
  for (const hog of hogs) hog.kill("SIGKILL");
  lab.destroy();
}
