import { startBareReceiver, type BareReceiver } from "./load/bare.ts";
import { Flood } from "./load/flood.ts";
import { median, round, within } from "./load/numbers.ts";
import { processorUs } from "./load/machine.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { Rig } from "./load/rig.ts";

/**
 * The highest rate at which nothing is lost: a bare node:dgram socket that counts, then the gateway, whose frames must
 * all be in the collector's ledger afterwards. In turns, so that both see the same machine.
 */

const SEARCH_FROM = 10_000;
const SEARCH_TO = 400_000;
/** A generator that sends less than this part of the rate it was asked for is the limit itself. */
const ACHIEVED_SHARE = 0.97;
/** Frames/s at which processor time is compared. */
const COST_RATE = 20_000;
/** Time for the last frames of a step to be forwarded. */
const LEDGER_MS = 5000;
/**
 * Sensors that wait for an answer at the same time. What waits shares one synced write, so the fewer wait, the more the
 * disk alone decides; each side's highest rate is compared.
 */
const CON_OUTSTANDING = [256, 1024, 4096];

interface Subject {
  readonly name: string;
  /** Sends at the rate; the rate really achieved if every frame arrived, else undefined. */
  readonly holds: (rate: number) => Promise<number | undefined>;
}

export async function throughput(options: BenchOptions): Promise<Row[]> {
  const { quick, directory, progress } = options;
  const rounds = quick ? 1 : 3;
  const seconds = quick ? 1 : 2;
  const rig = await Rig.start(directory);
  try {
    if (!rig.flood.native) progress("no C compiler: the generator in JavaScript is the limit of these figures");
    await warmUp(rig);
    const non = await nonRounds(rig, { rounds, seconds, progress });
    const cost = await costRounds(rig, { rounds, seconds, progress });
    const con = await conRounds(rig, { rounds, seconds, progress });
    const note = rig.flood.native ? {} : { note: "limited by the generator" };
    return [
      row("bare socket that counts, NON loss-free", "frames/s", non.bare, note),
      row("gateway, NON durable and in the ledger", "frames/s", non.gateway, note),
      row("ratio of the NON rates", "", ratios(non.gateway, non.bare), {
        target: { is: "at least", value: 0.6 },
        ...note,
      }),
      row(`CPU at ${COST_RATE}/s, bare socket`, "µs/frame", cost.bare, {}),
      row(`CPU at ${COST_RATE}/s, gateway`, "µs/frame", cost.gateway, {}),
      row(`CPU at ${COST_RATE}/s, collector`, "µs/frame", cost.collector, {}),
      ...CON_OUTSTANDING.flatMap((outstanding, index) => {
        const { bare, gateway } = con[index]!;
        return [
          row(`bare echo, CON, ${outstanding} under way`, "frames/s", bare, note),
          row(`gateway, CON durable, ${outstanding} under way`, "frames/s", gateway, note),
          row(`ratio, ${outstanding} under way`, "", ratios(gateway, bare), note),
        ];
      }),
      row("ratio of the highest CON rates", "", ratios(highestOf(con, "gateway"), highestOf(con, "bare")), {
        target: { is: "at least", value: 0.6 },
        ...note,
      }),
    ];
  } finally {
    await rig.stop();
  }
}

interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

async function nonRounds(rig: Rig, { rounds, seconds, progress }: RoundOptions) {
  const receiver = await startBareReceiver("count");
  const subjects: readonly Subject[] = [
    { name: "bare", holds: (rate) => bareHolds(receiver, rig.flood, rate, seconds) },
    { name: "gateway", holds: (rate) => gatewayHolds(rig, rate, seconds) },
  ];
  const best: Record<string, number[]> = { bare: [], gateway: [] };
  try {
    for (let turn = 0; turn < rounds; turn++) {
      for (const { name, holds } of subjects) {
        const before = best[name]!.at(-1);
        const found = await highest(holds, before);
        best[name]!.push(found);
        progress(`NON round ${turn + 1}: ${name} ${Math.round(found)} frames/s without loss`);
      }
    }
  } finally {
    await receiver.stop();
  }
  return { bare: best["bare"]!, gateway: best["gateway"]! };
}

/** Processor time per frame at a rate that both hold with ease: other load on the machine disturbs it less than the rates. */
async function costRounds(rig: Rig, { rounds, seconds, progress }: RoundOptions) {
  const receiver = await startBareReceiver("count");
  const cost = { bare: [] as number[], gateway: [] as number[], collector: [] as number[] };
  const send = (port: number, first = 0) => rig.flood.send({ kind: "non", port, rate: COST_RATE, seconds, first });
  try {
    for (let turn = 0; turn < rounds; turn++) {
      const { pid } = receiver;
      const bareBefore = processorUs(pid);
      const bare = await send(receiver.port);
      cost.bare.push((processorUs(pid) - bareBefore) / bare.sent);
      const gatewayPid = rig.gateway.process.pid!;
      const collectorPid = rig.collector.process.pid!;
      const [gatewayBefore, collectorBefore] = [processorUs(gatewayPid), processorUs(collectorPid)];
      const { sent } = await send(rig.coapPort, nextSequence(1e6));
      await rig.idle(LEDGER_MS);
      cost.gateway.push((processorUs(gatewayPid) - gatewayBefore) / sent);
      cost.collector.push((processorUs(collectorPid) - collectorBefore) / sent);
      const [bareUs, gatewayUs, collectorUs] = [cost.bare, cost.gateway, cost.collector].map((us) =>
        us.at(-1)!.toFixed(1),
      );
      progress(`CPU per frame: bare ${bareUs} µs, gateway ${gatewayUs} µs, collector ${collectorUs} µs`);
    }
  } finally {
    await receiver.stop();
  }
  return cost;
}

async function conRounds(rig: Rig, { rounds, seconds, progress }: RoundOptions) {
  const receiver = await startBareReceiver("echo");
  const results = CON_OUTSTANDING.map(() => ({ bare: [] as number[], gateway: [] as number[] }));
  const run = async (port: number, outstanding: number) => {
    const report = await rig.flood.send({ kind: "con", port, outstanding, seconds, first: nextSequence(1e6) });
    return report.answered / report.seconds;
  };
  try {
    for (let turn = 0; turn < rounds; turn++) {
      for (const [index, outstanding] of CON_OUTSTANDING.entries()) {
        const bare = await run(receiver.port, outstanding);
        const gateway = await run(rig.coapPort, outstanding);
        results[index]!.bare.push(bare);
        results[index]!.gateway.push(gateway);
        progress(
          `CON round ${turn + 1}, ${outstanding} under way: echo ${Math.round(bare)}, gateway ${Math.round(gateway)}`,
        );
        await rig.idle(LEDGER_MS);
      }
    }
  } finally {
    await receiver.stop();
  }
  return results;
}

/**
 * Bisects on a logarithmic scale. Knowing an earlier round's result it looks around that, half as far again as the
 * earlier search ended.
 */
async function highest(holds: Subject["holds"], earlier: number | undefined): Promise<number> {
  let low = earlier === undefined ? SEARCH_FROM : earlier / 1.35;
  let high = earlier === undefined ? SEARCH_TO : earlier * 1.35;
  let best = 0;
  for (let steps = earlier === undefined ? 6 : 4; steps > 0; steps--) {
    const rate = Math.sqrt(low * high);
    const achieved = await holds(rate);
    if (achieved === undefined) high = rate;
    else {
      low = rate;
      best = Math.max(best, achieved);
    }
  }
  // A lucky earlier round must not leave this one searching where nothing holds.
  return best === 0 && earlier !== undefined ? highest(holds, undefined) : best;
}

async function bareHolds(receiver: BareReceiver, flood: Flood, rate: number, seconds: number) {
  const before = await receiver.count();
  const { sent, seconds: took } = await flood.send({ kind: "non", port: receiver.port, rate, seconds });
  const arrived = await within(500, async () => (await receiver.count()) - before === sent);
  return arrived ? achievedRate(sent, took, rate) : undefined;
}

async function gatewayHolds(rig: Rig, rate: number, seconds: number) {
  await rig.idle(20_000);
  const before = await rig.logEnd();
  const first = nextSequence(1e7);
  const { sent, seconds: took } = await rig.flood.send({ kind: "non", port: rig.coapPort, rate, seconds, first });
  await rig.idle(LEDGER_MS);
  return (await rig.logEnd()) - before === sent ? achievedRate(sent, took, rate) : undefined;
}

function achievedRate(sent: number, seconds: number, wanted: number): number | undefined {
  const rate = sent / seconds;
  return rate >= wanted * ACHIEVED_SHARE ? rate : undefined;
}

/** JIT and caches of both processes: 2 s of each kind. */
async function warmUp(rig: Rig): Promise<void> {
  await rig.flood.send({ kind: "non", port: rig.coapPort, rate: 20_000, seconds: 2, first: nextSequence(1e6) });
  await rig.flood.send({ kind: "con", port: rig.coapPort, outstanding: 256, seconds: 1, first: nextSequence(1e6) });
  await rig.idle(LEDGER_MS);
}

let sequence = 0;
/** No two frames of a run are equal, or the gateway would rightly count one as a copy. */
function nextSequence(count: number): number {
  const first = sequence;
  sequence = (sequence + count) % 2 ** 32;
  return first;
}

/** Each round's highest over all numbers of waiting sensors. */
function highestOf(
  results: readonly Readonly<Record<"bare" | "gateway", readonly number[]>>[],
  name: "bare" | "gateway",
): number[] {
  return results[0]![name].map((_, turn) => Math.max(...results.map((result) => result[name][turn]!)));
}

function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  return numerators.map((value, index) => value / denominators[index]!);
}

function row(what: string, unit: string, values: readonly number[], rest: Partial<Row>): Row {
  const digits = unit === "" ? 3 : unit === "frames/s" ? 0 : 1;
  const rounds = values.map((value) => round(value, digits));
  return { what, unit, value: round(median(values), digits), rounds, ...rest };
}
