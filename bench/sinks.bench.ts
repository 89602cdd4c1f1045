import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SinkReport } from "@paddock/collector/operator/operator-sinks.ts";
import { childrenOf, processorUs } from "./load/machine.ts";
import { median, round, sleep } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { readAll, Rig } from "./load/rig.ts";

/**
 * What sinks cost: the memory of their process while it takes a long log from its beginning, and the processor's time of
 * ingest beside a sink whose server is not there.
 */

const BACKLOG_FRAMES = 1_000_000;
const FILL_RATE = 20_000;
const CATCH_UP_LIMIT_MS = 600_000;
const TURN_S = 2;
const TURN_RATE = 20_000;

export async function sinks(options: BenchOptions): Promise<Row[]> {
  return [...(await memoryWithBacklog(options)), ...(await costOfDeadSink(options))];
}

async function memoryWithBacklog({ quick, directory, progress }: BenchOptions): Promise<Row[]> {
  const rig = await Rig.start(directory);
  try {
    const frames = quick ? BACKLOG_FRAMES / 10 : BACKLOG_FRAMES;
    // What a closed loop brings on a quiet machine; what there really is stands in the table.
    const seconds = frames / FILL_RATE;
    await rig.flood.send({ kind: "con", port: rig.coapPort, outstanding: 256, seconds, first: 0 });
    if (!(await rig.idle(120_000))) throw new Error("the gateway did not forward everything within 120 s");
    const end = await rig.logEnd();
    progress(`${end} records of backlog`);
    const out = [
      { name: "lake", lake: { directory: join(rig.directory, "lake") } },
      { name: "files", files: { directory: join(rig.directory, "files") } },
    ];
    await rig.collector.stop();
    await rig.startCollector({ sinks: out });
    const begin = performance.now();
    const seen: { records: number; mostMb: number }[] = [];
    for (;;) {
      const reports = await reportsOf(rig);
      const [child] = childrenOf(rig.collector.process.pid!);
      const kept = Math.min(...reports.map(({ offset }) => offset ?? 0));
      if (child !== undefined) seen.push({ records: kept, mostMb: await mostMb(child) });
      if (reports.every(({ lag }) => lag?.records === 0)) break;
      if (performance.now() - begin > CATCH_UP_LIMIT_MS) throw new Error(`the sinks did not catch up: at ${kept}`);
      await sleep(200);
    }
    const took = (performance.now() - begin) / 1000;
    // Last values in memory, which are there too, begin near the end of a log.
    const rows = Math.min(...(await reportsOf(rig)).slice(0, out.length).map((report) => report.rows));
    const early = seen.findLast(({ records }) => records <= end / 4) ?? seen[0]!;
    const what = "lake, files and last values";
    return [
      { what: `${what}: backlog`, value: end, unit: "records", note: `${rows} rows in each` },
      { what: `${what}: caught up`, value: round(rows / took), unit: "rows/s" },
      { what: `${what}: RSS, most in the first quarter`, value: round(early.mostMb, 1), unit: "MB" },
      {
        what: `${what}: RSS of the process, most`,
        value: round(seen.at(-1)!.mostMb, 1),
        unit: "MB",
        target: { is: "at most", value: 300 },
      },
    ];
  } finally {
    await rig.stop();
  }
}

/** Two rigs in turns, one of which has a sink that nobody answers. */
async function costOfDeadSink({ quick, directory, progress }: BenchOptions): Promise<Row[]> {
  const rigs: Rig[] = [];
  try {
    rigs.push(await Rig.start(directory), await Rig.start(directory));
    const [plain, dead] = rigs as [Rig, Rig];
    await dead.collector.stop();
    // Last values in memory are on where there are sinks, and no dead ones.
    const sink = { name: "last", redis: { socketPath: join(dead.directory, "nobody") } };
    await dead.startCollector({ sinks: [sink], last: { enabled: false } });
    if (!(await dead.idle(30_000))) throw new Error("the gateway did not find the collector again");
    const turns: [plain: Turn, dead: Turn][] = [];
    for (let turn = 0; turn < (quick ? 6 : 16) + 1; turn++) {
      // Who goes first has a cooler or a warmer machine.
      const first = turn % 2 === 0 ? await turnOf(plain) : undefined;
      const withSink = await turnOf(dead);
      turns.push([first ?? (await turnOf(plain)), withSink]);
    }
    // The first turn of each is for its compiler.
    turns.shift();
    const [report] = await reportsOf(dead);
    if (report?.offset !== 0 && report?.offset !== null) throw new Error("the dead sink took something");
    progress(`the dead sink: ${report.problem ?? report.state}`);
    const rounds = turns.map(([one, other]) => round(other.collectorUs / one.collectorUs, 3));
    const rates = turns.map(([one, other]) => round(other.perS / one.perS, 3));
    return [
      {
        what: "CPU of a collector with a dead sink, ratio",
        value: median(rounds),
        unit: "",
        rounds,
        target: { is: "under", value: 1.02 },
      },
      {
        what: "records/s with a dead sink, ratio",
        value: median(rates),
        unit: "",
        rounds: rates,
        target: { is: "at least", value: 0.98 },
      },
    ];
  } finally {
    for (const rig of rigs) await rig.stop();
  }
}

interface Turn {
  /** Of the collector and what it started, for each record. */
  readonly collectorUs: number;
  readonly perS: number;
}

let sequence = 1e6;

async function turnOf(rig: Rig): Promise<Turn> {
  const parent = rig.collector.process.pid!;
  const spent = (): number => [parent, ...childrenOf(parent)].reduce((sum, pid) => sum + processorUs(pid), 0);
  const [end, before, begin] = [await rig.logEnd(), spent(), performance.now()];
  sequence += 1e6;
  await rig.flood.send({ kind: "non", port: rig.coapPort, rate: TURN_RATE, seconds: TURN_S, first: sequence });
  if (!(await rig.idle(30_000))) throw new Error("the gateway did not forward everything within 30 s");
  const seconds = (performance.now() - begin) / 1000;
  const records = (await rig.logEnd()) - end;
  return { collectorUs: (spent() - before) / records, perS: records / seconds };
}

async function reportsOf(rig: Rig): Promise<SinkReport[]> {
  return JSON.parse((await readAll(await rig.askCollector("/v1/sinks"))).toString()) as SinkReport[];
}

/** MB of resident memory that a process had at most. */
async function mostMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return (Number(/^VmHWM:\s+(\d+) kB/mu.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}
