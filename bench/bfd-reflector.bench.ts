import { startForked } from "./load/forked.ts";
import { processorUs } from "./load/machine.ts";
import { median, round, sleep } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";

/**
 * Packets per second that one seamless BFD reflector answers on one core, next to a bare node:dgram socket that sends
 * everything back. Askers in processes of their own keep a fixed number of packets under way over ::1. They need as much
 * processor time as who answers, so the figure is packets per second of processor time; what was answered per second of
 * the clock stands beside it.
 */

const DISCRIMINATOR = 900;
const ASKERS = 2;
/** Of each asker; more would not fit into the receive buffer that Linux gives a socket by default. */
const UNDER_WAY = 64;
/** For compiling what is hot. */
const WARM_UP_MS = 700;

const SUBJECTS = {
  bare: ["bare-receiver.ts", "echo"],
  reflector: ["bfd-reflector.ts", DISCRIMINATOR],
} as const;
type Subject = keyof typeof SUBJECTS;

interface Rate {
  readonly perCoreSecond: number;
  readonly perSecond: number;
}

export async function bfdReflector({ quick, progress }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 1 : 5;
  const seconds = quick ? 1 : 2;
  const rates: Record<Subject, Rate[]> = { bare: [], reflector: [] };
  for (let turn = 0; turn < rounds; turn++) {
    // A B, B A: what changes steadily on the machine falls on both alike.
    const order: readonly Subject[] = turn % 2 === 0 ? ["bare", "reflector"] : ["reflector", "bare"];
    for (const subject of order) rates[subject].push(await measure(subject, seconds));
    const [bare, reflector] = [rates.bare.at(-1)!, rates.reflector.at(-1)!];
    progress(
      `round ${turn + 1}, packets/s of a core: bare echo ${round(bare.perCoreSecond)}, ` +
        `reflector ${round(reflector.perCoreSecond)}`,
    );
  }
  const perCore = (subject: Subject) => rates[subject].map(({ perCoreSecond }) => perCoreSecond);
  return [
    row("bare echo, of one core", "packets/s", perCore("bare")),
    row("S-BFD reflector, of one core", "packets/s", perCore("reflector"), { is: "at least", value: 50_000 }),
    row(
      "ratio",
      "",
      perCore("reflector").map((rate, turn) => rate / perCore("bare")[turn]!),
    ),
    row(
      "S-BFD reflector, by the clock",
      "packets/s",
      rates.reflector.map(({ perSecond }) => perSecond),
    ),
  ];
}

async function measure(subject: Subject, seconds: number): Promise<Rate> {
  const [script, argument] = SUBJECTS[subject];
  const answerer = await startForked<{ port: number }, { count: number }>(script, [argument]);
  const askers = await Promise.all(
    Array.from({ length: ASKERS }, () => startForked("bfd-asker.ts", [answerer.ready.port, DISCRIMINATOR, UNDER_WAY])),
  );
  try {
    await sleep(WARM_UP_MS);
    const sample = async () => ({
      count: (await answerer.ask()).count,
      us: processorUs(answerer.pid),
      ms: performance.now(),
    });
    const before = await sample();
    await sleep(seconds * 1000);
    const after = await sample();
    const count = after.count - before.count;
    return {
      perCoreSecond: (count / (after.us - before.us)) * 1e6,
      perSecond: (count / (after.ms - before.ms)) * 1000,
    };
  } finally {
    // Whoever asks where nobody listens any more gets an error.
    await Promise.all(askers.map((asker) => asker.stop()));
    await answerer.stop();
  }
}

function row(what: string, unit: string, values: readonly number[], target?: Row["target"]): Row {
  const digits = unit === "" ? 2 : 0;
  const rounds = values.map((value) => round(value, digits));
  return { what, unit, value: round(median(values), digits), rounds, ...(target === undefined ? {} : { target }) };
}
