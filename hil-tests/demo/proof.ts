import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { ChainReport as KeptChain } from "@paddock/collector/fleet/fleet-report.ts";
import { formatCount, plural } from "@paddock/gateway/cli/format.ts";
import type { ChainReport as SealedChain } from "@paddock/gateway/status/chain-report.ts";
import type { VerifyReport } from "@paddock/sensor-sim/verify/report.ts";
import type { Children, Program } from "./children.ts";
import { DemoFailure } from "./demo-failure.ts";
import type { DemoFiles } from "./files.ts";
import { checkLake } from "./lake.ts";

/** One thing that was checked, with the command that checks it. */
export interface Check {
  readonly holds: boolean;
  readonly title: string;
  readonly command: string;
  readonly findings: readonly string[];
}

interface FleetAnswer {
  readonly gateways: readonly { readonly verdict: string; readonly severity: string; readonly chains: KeptChain[] }[];
}

/** Everything that is checked at the end, by the commands that an operator has. Throws DemoFailure when one breaks. */
export async function prove(children: Children, files: DemoFiles, cutWallMs: number): Promise<Check[]> {
  // One after the other: what still runs has to watch the paths meanwhile, maybe on a small machine.
  const exportLog = ["log", "--config", files.collectorConfig, "--from", "0"];
  const exported = await children.run("log export", "collector", exportLog, { outFile: files.log, nice: true });
  if (exported.code !== 0) throw new DemoFailure(`The log could not be exported. ${exported.lastLines.join(" ")}`);
  const frames = await checkFrames(children, files);
  const verify = ["chain", "verify", "--config", files.gatewayConfig, "--json"];
  const sealed = await answerOf<SealedChain[]>(children, "gateway", verify);
  const askFleet = ["fleet", "--config", files.collectorConfig, "--json"];
  const fleet = await answerOf<FleetAnswer>(children, "collector", askFleet);
  const reading = await checkReading(children, files, cutWallMs);
  const lake = await checkLake(children, files, frames.received);
  return [frames, checkSealed(sealed), checkKept(sealed, fleet), reading, lake];
}

async function checkFrames(children: Children, files: DemoFiles): Promise<Check & { readonly received: number }> {
  const args = ["verify", "--sent", files.sent, "--log", files.log, "--require-all"];
  const report = await answerOf<VerifyReport>(children, "sim", [...args, "--json"]);
  const late =
    report.lateMs === null ? "" : `; sensor to collector p50 ${report.lateMs.p50} ms, max ${report.lateMs.max} ms`;
  return {
    received: report.received,
    holds: report.verdict === "PASS",
    title: "every frame sent is in the collector's ledger once, byte for byte",
    command: "collector log | sim verify",
    findings: [
      `sent ${formatCount(report.sent)}, in the ledger ${formatCount(report.received)}; lost ${report.lost + report.unconfirmed}, twice ${report.duplicate}, altered ${report.altered}${late}`,
      ...report.reasons,
    ],
  };
}

function checkSealed(chains: readonly SealedChain[]): Check {
  const batches = chains.reduce((sum, chain) => sum + chain.batches, 0);
  const broken = chains.reduce((sum, chain) => sum + chain.broken, 0);
  return {
    holds: broken === 0 && chains.length > 0,
    title: "the gateway's hash chains are whole: hashes, links and signatures",
    command: "gateway chain verify",
    findings: [
      `${plural(chains.length, "chain")}, ${plural(broken, "break")}; ${plural(batches, "batch", "batches")} still on its disk, the older ones deleted after the collector's receipt`,
    ],
  };
}

/** What the collector holds must reach from the first batch to the gateway's head, without a hole. */
function checkKept(sealed: readonly SealedChain[], { gateways }: FleetAnswer): Check {
  const kept = gateways.flatMap(({ chains }) => chains);
  const findings: string[] = [];
  let holds = gateways.length === 1 && sealed.length > 0;
  for (const { lane, epoch, held, trimmed } of sealed) {
    const batches = Math.max(0, ...[...held, ...trimmed].map(([, last]) => last + 1));
    const chain = kept.find((one) => one.lane === lane && one.epoch === epoch);
    const linked = chain?.linked ?? 0;
    if (linked !== batches || chain?.missing !== 0) holds = false;
    findings.push(
      `${lane}: ${formatCount(linked)} of ${formatCount(batches)} batches, ${formatCount(chain?.records ?? 0)} records`,
    );
  }
  for (const { verdict, severity } of gateways) if (severity !== "ok") findings.push(verdict);
  return {
    holds,
    title: "the collector holds the same chains, linked from the first batch to the gateway's newest",
    command: "collector fleet",
    findings: [findings.join("; ")],
  };
}

/** One reading that came in over the next path after the cut, proven to somebody who trusts only the two public keys. */
async function checkReading(children: Children, files: DemoFiles, cutWallMs: number): Promise<Check> {
  const offset = await firstOffsetAfter(files.log, cutWallMs);
  const config = ["--config", files.collectorConfig];
  const exportProof = ["export-proof", "--offset", String(offset), "--out", files.proof];
  const exported = await children.run("proof export", "collector", [...exportProof, ...config], { nice: true });
  if (exported.code !== 0) throw new DemoFailure(`No proof of record ${offset}. ${exported.lastLines.join(" ")}`);
  const verified = await children.run("proof check", "collector", ["verify", files.proof], { nice: true });
  const facts = verified.stdout.trimEnd().split("\n").slice(1);
  return {
    holds: verified.code === 0,
    title: `one reading can be proven offline to anybody: record ${offset}, the first kept after the cut`,
    command: `collector export-proof --offset ${offset}; collector verify`,
    findings: verified.code === 0 ? facts.map((line) => line.trim()) : verified.lastLines,
  };
}

async function firstOffsetAfter(log: string, wallMs: number): Promise<number> {
  for await (const line of createInterface({ input: createReadStream(log) })) {
    const { offset, received } = JSON.parse(line) as { readonly offset: number; readonly received: number };
    if (received > wallMs) return offset;
  }
  throw new DemoFailure("Nothing is in the collector's log after the cut.");
}

/** What a command prints as JSON, whatever its exit code says about it. Throws DemoFailure when it prints none. */
async function answerOf<Answer>(children: Children, program: Program, args: readonly string[]): Promise<Answer> {
  const { stdout, lastLines } = await children.run(`${program} ${args[0]}`, program, args, { nice: true });
  try {
    return JSON.parse(stdout) as Answer;
  } catch {
    throw new DemoFailure(`paddock ${program} ${args[0]} gave no answer. ${lastLines.join(" ")}`);
  }
}
