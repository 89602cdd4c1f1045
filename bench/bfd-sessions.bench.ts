import { LATENESS_BUCKETS_MS } from "@paddock/uplink/bfd/stall-meter.ts";
import type { SpeakerCost } from "./load/bfd-speaker.ts";
import { type Forked, startForked } from "./load/forked.ts";
import { median, round, sleep, within } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";

/**
 * What a speaker with many sessions costs: processor time, memory, and how late its timers run. Its peers are the same
 * number of sessions in another process. Next to it a bare timer, which shows what the machine does to everyone.
 */

const SESSIONS = 64;
const INTERVAL_MS = 300;
const NEAR_PORT = 21_000;
const FAR_PORT = 22_000;
/** Past the slow start of the sessions and the compilation of what is hot. */
const WARM_UP_MS = 5000;
/** Of so many timers one may be late, so that p99 is below `LATE_MS`. */
const LATE_PERCENT_MAX = 1;
const LATE_MS = 5;
const LATE_BUCKET = LATENESS_BUCKETS_MS.indexOf(LATE_MS) + 1;
const BARE_TIMER_MS = 20;

type SpeakerProcess = Forked<object, SpeakerCost>;

interface Window {
  readonly cpuPercent: number;
  readonly packetsPerSecond: number;
  readonly usPerPacket: number;
  readonly latePercent: number;
  readonly bareLatePercent: number;
  readonly rssMb: number;
}

export async function bfdSessions({ quick, progress }: BenchOptions): Promise<Row[]> {
  const seconds = quick ? 3 : 10;
  const rounds = quick ? 2 : 5;
  const idle = await idlePercent(seconds);
  const near = await startSpeaker(NEAR_PORT, FAR_PORT, "active");
  const far = await startSpeaker(FAR_PORT, NEAR_PORT, "active");
  try {
    if (!(await within(20_000, async () => (await near.ask()).up === SESSIONS, 100)))
      throw new Error(`${(await near.ask()).up} of ${SESSIONS} sessions were up after 20 s`);
    await sleep(WARM_UP_MS);
    const windows: Window[] = [];
    for (let turn = 0; turn < rounds; turn++) {
      const window = await measure(near, seconds);
      windows.push(window);
      progress(
        `round ${turn + 1}: ${window.cpuPercent.toFixed(1)} % of a core, ${window.usPerPacket.toFixed(0)} µs a packet, ` +
          `${window.latePercent.toFixed(1)} % of the timers late, of a bare timer ${window.bareLatePercent.toFixed(1)} %`,
      );
    }
    const { downs } = await near.ask();
    const all = (field: keyof Window, digits: number) => {
      const values = windows.map((window) => round(window[field], digits));
      return { value: round(median(values), digits), rounds: values };
    };
    const what = `${SESSIONS} sessions at ${INTERVAL_MS} ms x3`;
    const late = `timers ${LATE_MS} ms late or later`;
    return [
      { what: `${what}, CPU of a core`, unit: "%", ...all("cpuPercent", 2), target: { is: "under", value: 5 } },
      { what: "packets, both directions", unit: "packets/s", ...all("packetsPerSecond", 0) },
      { what: "CPU per packet", unit: "µs", ...all("usPerPacket", 1) },
      { what: late, unit: "%", ...all("latePercent", 2), target: { is: "under", value: LATE_PERCENT_MAX } },
      { what: "the same of a bare timer beside it", unit: "%", ...all("bareLatePercent", 2) },
      { what: "RSS", unit: "MB", ...all("rssMb", 1) },
      {
        what: `RSS, growth in ${(rounds - 1) * seconds} s`,
        unit: "MB",
        value: round(windows.at(-1)!.rssMb - windows[0]!.rssMb, 1),
        // A short run is all warm-up.
        ...(quick ? {} : { target: { is: "under", value: 2 } }),
      },
      { what: "sessions that went down", unit: "", value: downs, target: { is: "under", value: 1 } },
      { what: `${SESSIONS} passive sessions without peers, CPU`, unit: "%", value: round(idle, 2) },
    ];
  } finally {
    await Promise.all([near.stop(), far.stop()]);
  }
}

/** What sessions cost that neither send nor receive: the timers of the speaker itself. */
async function idlePercent(seconds: number): Promise<number> {
  const alone = await startSpeaker(NEAR_PORT, FAR_PORT, "passive");
  try {
    await sleep(1000);
    return (await measure(alone, seconds)).cpuPercent;
  } finally {
    await alone.stop();
  }
}

function startSpeaker(localPort: number, remotePort: number, role: "active" | "passive"): Promise<SpeakerProcess> {
  return startForked("bfd-speaker.ts", [SESSIONS, INTERVAL_MS, localPort, remotePort, role]);
}

async function measure(speaker: SpeakerProcess, seconds: number): Promise<Window> {
  const [before, beginMs] = [await speaker.ask(), performance.now()];
  const bareLate = await bareTimer(seconds);
  const [after, endMs] = [await speaker.ask(), performance.now()];
  const passed = (endMs - beginMs) / 1000;
  const cpuUs = after.cpuUs - before.cpuUs;
  const packets = after.packets - before.packets;
  const lateness = after.lateness.map((count, bucket) => count - before.lateness[bucket]!);
  return {
    cpuPercent: cpuUs / 1e4 / passed,
    packetsPerSecond: packets / passed,
    usPerPacket: cpuUs / packets,
    latePercent: (100 * sum(lateness.slice(LATE_BUCKET))) / sum(lateness),
    bareLatePercent: bareLate,
    rssMb: after.rssBytes / 1e6,
  };
}

/** Runs a timer for the time given; how many per cent of its turns came `LATE_MS` late or later. */
async function bareTimer(seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let turns = 0;
  let late = 0;
  while (performance.now() < endMs) {
    const dueMs = performance.now() + BARE_TIMER_MS;
    await sleep(BARE_TIMER_MS);
    turns++;
    if (performance.now() - dueMs >= LATE_MS) late++;
  }
  return (100 * late) / turns;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
