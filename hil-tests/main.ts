/*
 * Runs everything that needs root or programs of others, and writes hil-tests/results/{report.json,junit.xml,report.html}:
 *
 *     node hil-tests/main.ts [--only NAME] [--no-interop] [--capture] [WORD …]
 *     node hil-tests/main.ts --sabotage [--only NAME] [WORD …]
 *
 * WORD picks files of the lab, .feature files too, whose path contains it; --only picks scenarios whose name matches.
 * --capture keeps the packets of each uplink in results/captures, for each scenario of the failover lab.
 * --sabotage runs the scenarios of the failover lab once for each of their faults with that fault not done: each has to fail.
 */
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readScenarios } from "./lab/failover/read-scenarios.ts";
import { CAPTURE_VARIABLE } from "./lab/failover/variables.ts";
import { FRR10_MISSING } from "./lab/peers/frr10.ts";
import { missingForLab, sweepAbandoned } from "./lab/namespaces.ts";
import { htmlPage } from "./report/page.ts";
import { junitXml } from "./report/junit.ts";
import { runInterop } from "./report/run-interop.ts";
import { labFiles, runLab, SCENARIO_RUNNER } from "./report/run-lab.ts";
import { runSabotage, sabotages } from "./report/run-sabotage.ts";
import type { HilReport, Verdict } from "./report/verdicts.ts";

const RESULTS = join(import.meta.dirname, "results");
const COMMANDS =
  "ip nft sysctl chrt taskset ping bfdd vtysh bird keepalived tshark dumpcap coap-client-notls dbus-daemon avahi-daemon avahi-browse python3 cc nginx openssl systemd-analyze losetup sfdisk mkfs.vfat fsck.fat mkfs.ext4 blkid mcopy bmaptool xz".split(
    " ",
  );

const { values, positionals } = parseArgs({
  options: {
    only: { type: "string" },
    interop: { type: "boolean", default: true },
    capture: { type: "boolean", default: false },
    sabotage: { type: "boolean", default: false },
  },
  allowPositionals: true,
  allowNegative: true,
});

const lab = await labFiles(positionals);
let scenarios;
try {
  scenarios = await readScenarios(lab.features);
} catch (error) {
  process.stdout.write(`Nothing was run:\n${(error as Error).message}\n0 passed, 1 failed\n`);
  process.exit(1);
}
const missing = [
  ...missingForLab(COMMANDS),
  ...(FRR10_MISSING === undefined ? [] : [FRR10_MISSING]),
  ...missingNamespaces(),
];
if (missing.length > 0) {
  const all = missing.map((sentence) => `  ${sentence}`).join("\n");
  process.stdout.write(
    `Nothing was run:\n${all}\nOn Debian, \`sudo hil-tests/setup.sh\` installs every command; then \`sudo npm run hil\`.\n0 passed, ${missing.length} failed\n`,
  );
  process.exit(1);
}

const startedAt = new Date();
await rm(RESULTS, { recursive: true, force: true });
await mkdir(RESULTS, { recursive: true });
if (values.capture) process.env[CAPTURE_VARIABLE] = join(RESULTS, "captures");
const verdicts: Verdict[] = [];
if (values.sabotage) {
  const runner = { ...lab, tests: [SCENARIO_RUNNER] };
  const run = (pattern: RegExp, fault: string) => runLab(runner, join(RESULTS, `without-${fault}.ndjson`), pattern);
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => (interrupted = true));
  verdicts.push(...(await runSabotage(sabotages(scenarios, values.only), run, () => interrupted)));
} else {
  if (values.interop) verdicts.push(...(await runInterop(join(RESULTS, "interop.json"))));
  verdicts.push(...(await runLab(lab, join(RESULTS, "stories.ndjson"), values.only)));
}
sweepAbandoned();

if (verdicts.length === 0) process.stdout.write(`Nothing was run: no name matches ${JSON.stringify(values.only)}.\n`);

const failed = verdicts.filter(({ passed }) => !passed);
const report: HilReport = {
  startedAt: startedAt.toISOString(),
  durationS: (Date.now() - startedAt.getTime()) / 1000,
  machine: {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    kernel: release(),
    node: process.versions.node,
  },
  passed: verdicts.length - failed.length,
  failed: failed.length,
  verdicts,
};
await writeFile(join(RESULTS, "report.json"), `${JSON.stringify(report, undefined, 2)}\n`);
await writeFile(join(RESULTS, "junit.xml"), junitXml(report));
await writeFile(join(RESULTS, "report.html"), htmlPage(report));
process.stdout.write(`\n${summary(report)}\n${report.passed} passed, ${report.failed} failed\n`);
process.exit(report.failed === 0 && report.passed > 0 ? 0 : 1);

/** Root alone is not enough in a container without the right to make namespaces. */
function missingNamespaces(): string[] {
  if (process.getuid?.() !== 0) return [];
  const name = `pdk${process.pid}try`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: ["ignore", "ignore", "pipe"] });
    execFileSync("ip", ["netns", "del", name], { stdio: "ignore" });
    return [];
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    if (code === "ENOENT") return [];
    return [`Network namespaces cannot be made here (CAP_SYS_ADMIN and CAP_NET_ADMIN): ${String(stderr).trim()}`];
  }
}

function summary({ verdicts: all, durationS }: HilReport): string {
  const lines = all.flatMap(({ name, passed, failure, story }) => {
    const figures = Object.entries(story?.figures ?? {}).map(([key, value]) => `        ${key}: ${value}`);
    if (passed && figures.length === 0) return [];
    const why = failure === null ? [] : [`        ${failure.split("\n")[0]!}`];
    return [`  ${passed ? "ok    " : "FAILED"} ${name}`, ...why, ...figures];
  });
  const rings = [...Map.groupBy(all, ({ ring }) => ring)].map(([ring, rows]) => `${ring} ${rows.length}`);
  return [...lines, `${rings.join(", ")}; ${Math.round(durationS)} s; ${join(RESULTS, "report.html")}`].join("\n");
}
