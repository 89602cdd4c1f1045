import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { processorUs } from "./load/machine.ts";
import { median, quantile, round } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { Rig } from "./load/rig.ts";

/**
 * This tree against another checkout of it with its packages (`--against DIRECTORY`): a gateway and a collector of each
 * run at once and are loaded in short turns, so that both see the same machine. What counts is the ratio of neighbours.
 */

interface Load {
  readonly what: string;
  readonly kind: "non" | "con";
  readonly rate?: number;
  readonly outstanding?: number;
}

const LOADS: readonly Load[] = [
  { what: "NON, 20,000/s", kind: "non", rate: 20_000 },
  { what: "CON, 256 under way", kind: "con", outstanding: 256 },
  { what: "CON, 1,000/s", kind: "con", rate: 1000 },
];
const IDLE_MS = 10_000;

interface Turn {
  readonly gatewayUs: number;
  readonly collectorUs: number;
  readonly perS: number;
}

export async function paired({ quick, directory, against, progress }: BenchOptions): Promise<Row[]> {
  if (against === undefined) throw new Error("paired needs --against DIRECTORY: another checkout, with its packages");
  const file = join(against, "bench/load/rig.ts");
  if (!existsSync(file)) throw new Error(`--against ${against}: there is no bench/load/rig.ts, so it is no checkout`);
  const other = (await import(pathToFileURL(file).href)) as { readonly Rig: typeof Rig };
  const [rounds, seconds] = quick ? [2, 1] : [12, 2];
  const rigs: Rig[] = [];
  try {
    rigs.push(await Rig.start(directory));
    rigs.push(await other.Rig.start(directory));
    const rows: Row[] = [];
    for (const load of LOADS) {
      // The first turn of each is for its compiler.
      for (const rig of rigs) await turnOf(rig, load, seconds);
      const turns: [ours: Turn, theirs: Turn][] = [];
      for (let count = 0; count < rounds; count++) {
        // Who goes first has a cooler or a warmer machine.
        const order = count % 2 === 0 ? [0, 1] : [1, 0];
        const seen: Turn[] = [];
        for (const index of order) seen[index] = await turnOf(rigs[index]!, load, seconds);
        turns.push([seen[0]!, seen[1]!]);
      }
      rows.push(...rowsOf(load.what, turns));
      for (const row of rows.slice(-5)) progress(`${row.what}: ${row.value} ${row.unit}`);
    }
    return rows;
  } finally {
    for (const rig of rigs) await rig.stop();
  }
}

let sequence = 0;

async function turnOf(rig: Rig, { kind, rate, outstanding }: Load, seconds: number): Promise<Turn> {
  const [gateway, collector] = [rig.gateway.process.pid!, rig.collector.process.pid!];
  const before = [processorUs(gateway), processorUs(collector)] as const;
  sequence += 1e6;
  const pace = rate === undefined ? { outstanding: outstanding! } : { rate };
  const {
    sent,
    answered,
    seconds: took,
  } = await rig.flood.send({
    kind,
    port: rig.coapPort,
    seconds,
    first: sequence,
    ...pace,
  });
  await rig.idle(IDLE_MS);
  const frames = kind === "con" ? answered : sent;
  return {
    gatewayUs: (processorUs(gateway) - before[0]) / frames,
    collectorUs: (processorUs(collector) - before[1]) / frames,
    perS: frames / took,
  };
}

function rowsOf(what: string, turns: readonly (readonly [ours: Turn, theirs: Turn])[]): Row[] {
  const ratio = (name: string, value: (turn: Turn) => number): Row => {
    const rounds = turns.map(([ours, theirs]) => round(value(ours) / value(theirs), 3));
    return { what: `${what}: ${name}, ratio`, value: median(rounds), unit: "", rounds };
  };
  const ours = turns.map(([turn]) => round(turn.gatewayUs, 1));
  // Other work on the machine only ever adds: the quieter turns of each say more than the neighbours do.
  const quiet = (index: 0 | 1): number =>
    quantile(
      turns.map((turn) => turn[index].gatewayUs),
      0.25,
    );
  return [
    { what: `${what}: CPU of the gateway`, value: median(ours), unit: "µs/frame", rounds: ours },
    ratio("CPU of the gateway", ({ gatewayUs }) => gatewayUs),
    { what: `${what}: the same, quieter quarters`, value: round(quiet(0) / quiet(1), 3), unit: "" },
    ratio("CPU of the collector", ({ collectorUs }) => collectorUs),
    ratio("frames/s", ({ perS }) => perS),
  ];
}
