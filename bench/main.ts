import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine, loadNow } from "./load/machine.ts";
import { reached, type Bench, type Row } from "./load/result.ts";

/**
 * `npm run bench [-- NAME...] [--quick] [--minutes N] [--dir DIRECTORY] [--against DIRECTORY]`. Without names: the whole gateway. Exit code 1
 * when a target was missed.
 */

type LoadBench = () => Promise<Bench>;

const WHOLE: Readonly<Record<string, LoadBench>> = {
  throughput: async () => (await import("./throughput.bench.ts")).throughput,
  "watched-paths": async () => (await import("./watched-paths.bench.ts")).watchedPaths,
  latency: async () => (await import("./latency.bench.ts")).latency,
  drain: async () => (await import("./drain.bench.ts")).drain,
  memory: async () => (await import("./memory.bench.ts")).memory,
};
/** Parts on their own. */
const PARTS: Readonly<Record<string, LoadBench>> = {
  forwarding: async () => (await import("./forwarding.bench.ts")).forwarding,
  "bfd-reflector": async () => (await import("./bfd-reflector.bench.ts")).bfdReflector,
  paired: async () => (await import("./paired.bench.ts")).paired,
  lake: async () => (await import("./lake.bench.ts")).lake,
  sinks: async () => (await import("./sinks.bench.ts")).sinks,
  sql: async () => (await import("./sql.bench.ts")).sql,
  rows: async () => (await import("./rows.bench.ts")).rows,
  "bfd-sessions": async () => (await import("./bfd-sessions.bench.ts")).bfdSessions,
};
const BENCHES = { ...WHOLE, ...PARTS };
/** Programs of their own, without targets; each prints what it measured. */
const PROGRAMS = ["store", "ingest-path"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    minutes: { type: "string", default: "10" },
    against: { type: "string" },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", short: "h", default: false },
  },
});
const names = positionals.length === 0 ? Object.keys(WHOLE) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name) && !PROGRAMS.includes(name));
if (values.help || unknown.length > 0 || !(Number(values.minutes) > 0)) {
  const known = [...Object.keys(BENCHES), ...PROGRAMS].join("|");
  console.error(
    `usage: npm run bench -- [${known}]... [--quick] [--minutes N] [--dir DIRECTORY] [--against DIRECTORY]`,
  );
  process.exit(values.help ? 0 : 2);
}

process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

const here = machine(values.dir);
console.log(Object.values(here).join("; "));
const results: Record<string, { load: string; seconds: number; rows: Row[] }> = {};
for (const name of names) {
  const load = loadNow();
  const begin = performance.now();
  console.log(`\n${name} (load before: ${load})`);
  if (PROGRAMS.includes(name)) {
    const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.bench.ts`)], { stdio: "inherit" });
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) process.exitCode = 1;
    continue;
  }
  const bench = await BENCHES[name]!();
  let rows: Row[];
  try {
    rows = await bench({
      quick: values.quick,
      minutes: Number(values.minutes),
      directory: values.dir,
      against: values.against,
      progress: (line) => console.log(`  ${line}`),
    });
  } catch (error) {
    // The others can still be measured; the exit code tells.
    console.error(error);
    process.exitCode = 1;
    continue;
  }
  results[name] = { load, seconds: Math.round((performance.now() - begin) / 1000), rows };
}

for (const [name, { rows, seconds }] of Object.entries(results)) {
  console.log(`\n${name}, ${seconds} s${values.quick ? " (quick: rough)" : ""}`);
  for (const row of rows) console.log(`  ${lineOf(row)}`);
}
const directory = join(import.meta.dirname, "results");
mkdirSync(directory, { recursive: true });
const file = join(directory, `${new Date().toISOString().replaceAll(":", "-")}.json`);
writeFileSync(file, `${JSON.stringify({ machine: here, quick: values.quick, results }, undefined, 2)}\n`);
console.log(`\n${file}`);
const missed = Object.values(results).some(({ rows }) => rows.some((row) => reached(row) === false));
if (missed) process.exitCode = 1;
// A benchmark that failed may have left processes behind, which end with this one and would keep it waiting.
process.exit();

function lineOf(row: Row): string {
  const { what, value, unit, target, rounds, note } = row;
  const verdict = { true: "reached", false: "MISSED" }[String(reached(row))];
  return [
    what.padEnd(44),
    `${value} ${unit}`.padEnd(18),
    target === undefined ? "" : `${verdict}: ${target.is} ${target.value}  `,
    rounds === undefined || rounds.length < 2 ? "" : `[${rounds.join(", ")}]`,
    note === undefined ? "" : ` ${note}`,
  ]
    .join("")
    .trimEnd();
}
