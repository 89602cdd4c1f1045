import { childrenOf, processorUs } from "./load/machine.ts";
import { median, round } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { type GatewayOptions, Rig } from "./load/rig.ts";

/**
 * What it costs the gateway to have three paths watched by BFD instead of one that is not. First the rate at which CON
 * frames become durable in a closed loop that takes all the machine gives, one gateway after the other. Then processor
 * time per frame, both at the same time: whatever else the machine does, it does to both.
 */

const SUBJECTS = {
  plain: { paths: 1 },
  steady: { paths: 3, watch: "steady" },
  fast: { paths: 3, watch: "fast" },
} as const satisfies Record<string, GatewayOptions>;
type Subject = keyof typeof SUBJECTS;
type Watched = Exclude<Subject, "plain">;

const NAMES = { plain: "one path, not watched", steady: "three, steady", fast: "three, fast" };
const WATCHED: readonly Watched[] = ["steady", "fast"];
/** Those whose rates are compared: there and back, so that what changes steadily on the machine falls on both alike. */
const BLOCK = ["plain", "steady", "steady", "plain"] as const satisfies readonly Subject[];
type Rated = (typeof BLOCK)[number];
/** One block's ratio is 8 % off now and then on two cores, so it takes many to see 5 %. */
const BLOCKS = 12;
/** So many that the processors are the limit, not the disk. */
const OUTSTANDING = 4096;
/** NON frames/s, of each gateway, at which processor time is compared; loss-free with ease. */
const COST_RATE = 10_000;
/** What a gateway is loaded with before it is measured: it is busy with being compiled. */
const WARM_UP_S = 2;
const LEDGER_MS = 10_000;
const AT_LEAST = { is: "at least", value: 0.95 } as const;

export async function watchedPaths({ quick, directory, progress }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 1 : 5;
  const seconds = quick ? 1 : 3;
  const rigs = [await Rig.start(directory), await Rig.start(directory)] as const;
  try {
    await rigs[1].gateway.stop();
    const rates = await measureRates(rigs[0], { rounds: quick ? 1 : BLOCKS, seconds, progress });
    await rigs[0].gateway.stop();
    const costs = await measureCosts(rigs, { rounds, seconds: 2 * seconds, progress });
    return [
      ...(["plain", "steady"] as const).map((subject) =>
        row(`${NAMES[subject]}: CON durable`, "frames/s", 0, rates[subject]),
      ),
      row("ratio of the rates, steady", "", 3, ratios(rates.steady, rates.plain), AT_LEAST),
      ...WATCHED.flatMap((watched) => {
        const field = (name: keyof Cost) => costs[watched].map((cost) => cost[name]);
        return [
          row(`CPU beside three ${watched} ones, not watched`, "µs/frame", 1, field("plainUs")),
          row(`${NAMES[watched]}: CPU`, "µs/frame", 1, field("watchedUs")),
          row(
            `ratio of frames per CPU second, ${watched}`,
            "",
            3,
            ratios(field("plainUs"), field("watchedUs")),
            watched === "steady" ? AT_LEAST : undefined,
          ),
          row(`${NAMES[watched]}: the speaker alone`, "% of a core", 1, field("speakerPercent")),
          row(`${NAMES[watched]}: times a path went down`, "", 0, [
            field("downs").reduce((sum, downs) => sum + downs, 0),
          ]),
        ];
      }),
    ];
  } finally {
    await rigs[0].stop();
    await rigs[1].stop();
  }
}

interface Rounds {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

/** One rate a block: the geometric mean of its two measurements. */
async function measureRates(rig: Rig, { rounds, seconds, progress }: Rounds): Promise<Record<Rated, number[]>> {
  const rates: Record<Rated, number[]> = { plain: [], steady: [] };
  await closedLoop(rig, "plain", seconds); // the collector's warm-up
  for (let turn = 0; turn < rounds; turn++) {
    const block: Record<Rated, number[]> = { plain: [], steady: [] };
    for (const subject of BLOCK) block[subject].push(await closedLoop(rig, subject, seconds));
    for (const subject of BLOCK.slice(0, 2)) {
      const [first, second] = block[subject] as [number, number];
      rates[subject].push(Math.sqrt(first * second));
    }
    const said = BLOCK.slice(0, 2).map(
      (subject) => `${subject} ${block[subject].map((rate) => round(rate)).join(", ")}`,
    );
    progress(`block ${turn + 1}, CON frames/s: ${said.join("; ")}`);
  }
  return rates;
}

/** CON frames/s that a gateway makes durable, started for that. */
async function closedLoop(rig: Rig, subject: Subject, seconds: number): Promise<number> {
  await startWarm(rig, subject);
  const { answered, seconds: took } = await rig.flood.send({
    kind: "con",
    port: rig.coapPort,
    outstanding: OUTSTANDING,
    seconds,
    first: nextSequence(),
  });
  await settle(rig);
  return answered / took;
}

/** Processor time of two gateways at the same time. */
interface Cost {
  /** µs of a core for each frame in the ledger: the gateway, its collector, its speaker. */
  readonly plainUs: number;
  readonly watchedUs: number;
  readonly speakerPercent: number;
  readonly downs: number;
}

async function measureCosts(
  rigs: readonly [Rig, Rig],
  { rounds, seconds, progress }: Rounds,
): Promise<Record<Watched, Cost[]>> {
  const costs: Record<Watched, Cost[]> = { steady: [], fast: [] };
  for (let turn = 0; turn < rounds; turn++) {
    for (const watched of WATCHED) {
      // In the next round the other rig is the one that is watched.
      const [plainRig, watchedRig] = turn % 2 === 0 ? rigs : [rigs[1], rigs[0]];
      const cost = await sideBySide(plainRig, watchedRig, watched, seconds);
      costs[watched].push(cost);
      progress(
        `round ${turn + 1}, CPU per frame: not watched ${cost.plainUs.toFixed(1)} µs, ` +
          `${watched} ${cost.watchedUs.toFixed(1)} µs`,
      );
    }
  }
  return costs;
}

async function sideBySide(plain: Rig, watched: Rig, subject: Watched, seconds: number): Promise<Cost> {
  await Promise.all([startWarm(plain, "plain"), startWarm(watched, subject)]);
  const [speaker] = childrenOf(watched.gateway.process.pid!);
  if (speaker === undefined) throw new Error("the gateway with watched paths has not started a speaker");
  const sample = async () => ({
    plain: { us: usedUs(plain), frames: await plain.logEnd() },
    watched: { us: usedUs(watched) + processorUs(speaker), frames: await watched.logEnd() },
    speakerUs: processorUs(speaker),
    ms: performance.now(),
  });
  const before = await sample();
  const send = (rig: Rig) =>
    rig.flood.send({ kind: "non", port: rig.coapPort, rate: COST_RATE, seconds, first: nextSequence() });
  await Promise.all([send(plain), send(watched)]);
  await Promise.all([settle(plain), settle(watched)]);
  const after = await sample();
  const { uplinks } = await watched.status();
  const perFrame = (which: "plain" | "watched") =>
    (after[which].us - before[which].us) / (after[which].frames - before[which].frames);
  const cost = {
    plainUs: perFrame("plain"),
    watchedUs: perFrame("watched"),
    speakerPercent: (after.speakerUs - before.speakerUs) / 10 / (after.ms - before.ms),
    downs: uplinks.paths.reduce((sum, { watch }) => sum + (watch?.downs ?? 0), 0),
  };
  await Promise.all([plain.gateway.stop(), watched.gateway.stop()]);
  return cost;
}

async function startWarm(rig: Rig, subject: Subject): Promise<void> {
  await rig.gateway.stop();
  await rig.startGateway(SUBJECTS[subject]);
  const { flood, coapPort: port } = rig;
  const loop = { kind: "con", port, outstanding: OUTSTANDING, seconds: WARM_UP_S } as const;
  await flood.send({ ...loop, first: nextSequence() });
  await settle(rig);
}

function usedUs({ gateway, collector }: Rig): number {
  return processorUs(gateway.process.pid!) + processorUs(collector.process.pid!);
}

async function settle(rig: Rig): Promise<void> {
  if (!(await rig.idle(LEDGER_MS))) throw new Error(`frames were still under way ${LEDGER_MS / 1000} s after the load`);
}

let sequence = 0;
/** No two frames of a run are equal, or the gateway would rightly count one as a copy. */
function nextSequence(): number {
  const first = sequence;
  sequence = (sequence + 1e7) % 2 ** 32;
  return first;
}

function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  return numerators.map((value, turn) => value / denominators[turn]!);
}

function row(what: string, unit: string, digits: number, values: readonly number[], target?: Row["target"]): Row {
  const rounds = values.map((value) => round(value, digits));
  return { what, unit, value: round(median(values), digits), rounds, ...(target === undefined ? {} : { target }) };
}
