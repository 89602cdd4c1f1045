/*
 * Measures how long detection takes after the last packet, ours beside FRR's on the same cuts, at 50 ms x3 and
 * 300 ms x3. Both are judged on the wire: from the last packet that came in to the first one that says Down.
 *
 *     node hil-tests/lab/bfd/detection.ts [--cuts 25] [--no-fifo]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Capture } from "../capture.ts";
import { missingForLab } from "../namespaces.ts";
import { buildSideBySide, CANDIDATES, PACES } from "./side-by-side.ts";

const { values } = parseArgs({
  options: { cuts: { type: "string", default: "25" }, fifo: { type: "boolean", default: true } },
  allowNegative: true,
});
const missing = missingForLab(["bfdd", "nft", "dumpcap", "tshark", "chrt"]);
if (missing.length > 0) throw new Error(missing.join(" "));

const { lab, us, peer, other, speaker, allUp } = await buildSideBySide(values.fifo);
try {
  const captures = [
    await Capture.start(us, "d0", "udp port 3784", join(lab.directory, "us.pcapng")),
    await Capture.start(other, "e0", "udp port 3784", join(lab.directory, "other.pcapng")),
  ];
  const cuts = Number(values.cuts);
  for (let cut = 0; cut < cuts; cut++) {
    await allUp();
    await new Promise((done) => setTimeout(done, 1500 + Math.random() * 300));
    peer.filter("table inet cut { chain out { type filter hook output priority 0; udp dport 3784 drop; }; }");
    await new Promise((done) => setTimeout(done, 1600));
    peer.filter("");
  }
  const stalls = (await speaker.report()).stalls;
  for (const [index, { name, prefix }] of CANDIDATES.entries()) {
    const rows = await captures[index]!.finish(["frame.time_epoch", "ipv6.src", "ipv6.dst", "bfd.sta", "bfd.diag"]);
    for (const { intervalMs, suffix } of PACES) {
      const took = detections(rows, `${prefix}${suffix}`).filter((ms) => ms > intervalMs * 3 - 1);
      const over = took.map((ms) => ms - intervalMs * 3).toSorted((a, b) => a - b);
      const at = (share: number) => over[Math.min(over.length - 1, Math.floor(over.length * share))]?.toFixed(2);
      const line = {
        speaker: name,
        session: `${intervalMs}x3`,
        cuts: over.length,
        overP50Ms: at(0.5),
        overP90Ms: at(0.9),
        overMaxMs: at(1),
      };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  }
  process.stdout.write(`${JSON.stringify({ fifo: values.fifo, ourWorstStallMs: stalls.worstMs })}\n`);
  await speaker.stop("SIGKILL");
} finally {
  lab.destroy();
}

/** Milliseconds from the last packet to `self` to the first Down with diagnostic 1 of `self`, for each fall from Up. */
function detections(rows: readonly string[][], self: string): number[] {
  const took: number[] = [];
  let lastInMs = 0;
  let wasUp = false;
  for (const [epoch, source, destination, state, diagnostic] of rows) {
    const atMs = Number(epoch) * 1000;
    if (destination === self) lastInMs = atMs;
    if (source !== self) continue;
    const isDown = Number(state) === 1;
    if (wasUp && isDown && Number(diagnostic) === 1) took.push(atMs - lastInMs);
    wasUp = Number(state) === 3;
  }
  return took;
}
