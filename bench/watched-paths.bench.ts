import { childrenOf, processorUs } from "./load/machine.ts";
import { median, round } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { type GatewayOptions, Rig } from "./load/rig.ts";

/**
 * What it costs the gateway to have three paths watched by BFD instead of one that is not: the rate at which CON frames
 * become durable in a closed loop that takes all the machine gives, and the processor time of a frame at a fixed rate. A
 * gateway is started anew for each measurement, so that the others are not there meanwhile.
 */

const SUBJECTS = {
  plain: { paths: 1 },
  steady: { paths: 3, watch: "steady" },
  fast: { paths: 3, watch: "fast" },
} as const satisfies Record<string, GatewayOptions>;
type Subject = keyof typeof SUBJECTS;

/** There and back, so that what changes steadily on the machine falls on all alike. */
const BLOCK: readonly Subject[] = ["plain", "steady", "fast", "fast", "steady", "plain"];
/** So many that the processors are the limit, not the disk. */
const OUTSTANDING = 4096;
/** NON frames/s at which processor time is compared; loss-free with ease. */
const COST_RATE = 20_000;
const LEDGER_MS = 5000;
const AT_LEAST = { is: "at least", value: 0.95 } as const;

interface Measured {
  /** CON frames/s answered, which is: durable. */
  readonly rate: number;
  /** µs of a core for a frame that is in the collector's ledger: the gateway, its speaker and the collector. */
  readonly cost: number;
  /** Of a core, the speaker alone. */
  readonly speakerPercent: number;
  readonly downs: number;
}

export async function watchedPaths({ quick, directory, progress }: BenchOptions): Promise<Row[]> {
  const blocks = quick ? 1 : 5;
  const seconds = quick ? 1 : 3;
  const measured: Record<Subject, Measured[]> = { plain: [], steady: [], fast: [] };
  const rig = await Rig.start(directory);
  try {
    await measure(rig, "plain", seconds); // the collector's warm-up
    for (let block = 0; block < blocks; block++) {
      for (const subject of BLOCK) {
        const one = await measure(rig, subject, seconds);
        measured[subject].push(one);
        progress(
          `block ${block + 1}, ${subject}: CON ${round(one.rate)} frames/s, ${one.cost.toFixed(1)} µs/frame, ` +
            `speaker ${one.speakerPercent.toFixed(1)} %`,
        );
      }
    }
  } finally {
    await rig.stop();
  }
  const all = (subject: Subject, field: keyof Measured) => perBlock(measured[subject].map((one) => one[field]));
  const name = { plain: "one path, not watched", steady: "three, steady", fast: "three, fast" };
  return [
    ...subjects().map((subject) => row(`${name[subject]}: CON durable`, "frames/s", 0, all(subject, "rate"))),
    row("ratio of the rates, steady", "", 3, ratio(all("steady", "rate"), all("plain", "rate")), AT_LEAST),
    row("ratio of the rates, fast", "", 3, ratio(all("fast", "rate"), all("plain", "rate"))),
    ...subjects().map((subject) => row(`${name[subject]}: CPU at ${COST_RATE}/s`, "µs/frame", 1, all(subject, "cost"))),
    row("frames per CPU second, ratio, steady", "", 3, ratio(all("plain", "cost"), all("steady", "cost")), AT_LEAST),
    row("frames per CPU second, ratio, fast", "", 3, ratio(all("plain", "cost"), all("fast", "cost"))),
    row("speaker with 3 steady sessions, CPU", "%", 1, all("steady", "speakerPercent")),
    row("speaker with 3 fast sessions, CPU", "%", 1, all("fast", "speakerPercent")),
    ...(["steady", "fast"] as const).map((subject) => ({
      what: `${name[subject]}: paths that went down`,
      unit: "",
      value: measured[subject].reduce((sum, { downs }) => sum + downs, 0),
    })),
  ];
}

async function measure(rig: Rig, subject: Subject, seconds: number): Promise<Measured> {
  await rig.gateway.stop();
  await rig.startGateway(SUBJECTS[subject]);
  const con = (duration: number) =>
    rig.flood.send({
      kind: "con",
      port: rig.coapPort,
      outstanding: OUTSTANDING,
      seconds: duration,
      first: nextSequence(),
    });
  const non = (duration: number) =>
    rig.flood.send({ kind: "non", port: rig.coapPort, rate: COST_RATE, seconds: duration, first: nextSequence() });
  // Until it is compiled for the load, a gateway is that of the compiler.
  await con(Math.min(2, seconds));
  await non(1);
  await settle(rig);
  const { answered, seconds: took } = await con(seconds);
  await settle(rig);

  const [speaker] = childrenOf(rig.gateway.process.pid!);
  const processes = [rig.gateway.process.pid!, rig.collector.process.pid!, ...(speaker === undefined ? [] : [speaker])];
  const used = () => processes.reduce((sum, pid) => sum + processorUs(pid), 0);
  const sample = async () => ({
    frames: await rig.logEnd(),
    us: used(),
    speakerUs: speaker === undefined ? 0 : processorUs(speaker),
    ms: performance.now(),
  });
  const before = await sample();
  await non(seconds);
  await settle(rig);
  const after = await sample();
  const { uplinks } = await rig.status();
  return {
    rate: answered / took,
    cost: (after.us - before.us) / (after.frames - before.frames),
    speakerPercent: (after.speakerUs - before.speakerUs) / 10 / (after.ms - before.ms),
    downs: uplinks.paths.reduce((sum, { watch }) => sum + (watch?.downs ?? 0), 0),
  };
}

async function settle(rig: Rig): Promise<void> {
  if (!(await rig.idle(LEDGER_MS))) throw new Error(`frames were still under way ${LEDGER_MS / 1000} s after the load`);
}

function ratio(numerators: readonly number[], denominators: readonly number[]): number[] {
  return numerators.map((value, block) => value / denominators[block]!);
}

/** The geometric mean of the two measurements of each block. */
function perBlock(values: readonly number[]): number[] {
  return Array.from({ length: values.length / 2 }, (_, block) =>
    Math.sqrt(values[2 * block]! * values[2 * block + 1]!),
  );
}

function subjects(): Subject[] {
  return Object.keys(SUBJECTS) as Subject[];
}

let sequence = 0;
/** No two frames of a run are equal, or the gateway would rightly count one as a copy. */
function nextSequence(): number {
  const first = sequence;
  sequence = (sequence + 1e7) % 2 ** 32;
  return first;
}

function row(what: string, unit: string, digits: number, values: readonly number[], target?: Row["target"]): Row {
  const rounds = values.map((value) => round(value, digits));
  return { what, unit, value: round(median(values), digits), rounds, ...(target === undefined ? {} : { target }) };
}
