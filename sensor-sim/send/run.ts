import { setImmediate, setTimeout } from "node:timers/promises";
import { systemClock } from "@paddock/base/clock.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { SentLedger } from "../ledger/sent-ledger.ts";
import { SENT_LEDGER_VERSION, type SentSummary } from "../ledger/sent-line.ts";
import { loadMotes } from "../plan/motes.ts";
import { makePlan } from "../plan/plan.ts";
import type { PlannedFrame } from "../plan/planned-frame.ts";
import type { Scenario } from "../scenario/schema.ts";
import { EndpointPool, type Target } from "./endpoint-pool.ts";
import { Sender } from "./sender.ts";

/** Frames between two looks at the event loop: answers must be read, timers must fire. */
const FRAMES_PER_TURN = 64;
/** Above this, the kernel does not keep up and the run waits. */
const QUEUED_BYTES_MAX = 256 * 1024;
/** Sensors draw their retransmission jitter from a sequence of its own, so that it cannot shift the plan. */
const SENDER_SEED = 0x5e4d;
const FLUSH_MS = 200;

export interface RunOptions {
  readonly scenario: Scenario;
  readonly scenarioSha256: string;
  readonly seed: number;
  readonly target: Target;
  /** Path of the sent ledger. */
  readonly out: string;
  /** Unix ms of the sensors' clocks; else the scenario's. */
  readonly clockMs?: number;
  readonly durationMs?: number;
  /** Times real time; infinite sends as fast as it goes. Default 1. */
  readonly speed?: number;
  /** UDP sockets at most. Default 256. */
  readonly sockets?: number;
  /** Frames in flight at most; the plan waits beyond. Default 16,384. */
  readonly window?: number;
  /** How long to wait for answers after the last frame, in ms. Default 100,000: MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2) and some. */
  readonly drainMs?: number;
  /** Ends the run early; answers are then awaited for two seconds at most. */
  readonly signal?: AbortSignal;
  /** Called about once a second. */
  readonly onProgress?: (progress: RunProgress) => void;
}

export interface RunProgress {
  readonly frames: number;
  readonly inFlight: number;
  readonly elapsedMs: number;
  readonly behindMs: number;
}

export type RunResult = SentSummary["summary"] & {
  readonly sendErrors: number;
  readonly interrupted: boolean;
};

/** Sends what the plan says, in real time, and writes the sent ledger. Throws LISTEN_FAILED or USAGE before the first frame. */
export async function runScenario(options: RunOptions): Promise<RunResult> {
  const { scenario, seed, target } = options;
  const interrupted = (): boolean => options.signal?.aborted === true;
  const speed = options.speed ?? 1;
  const window = options.window ?? 16_384;
  const replaysMotes = scenario.fleets.some(({ model }) => model.kind === "mote-replay");
  const plan = makePlan({ ...options, motes: replaysMotes ? await loadMotes() : [] });
  const pool = await EndpointPool.open(plan.endpoints, target, options.sockets ?? 256);
  const ledger = new SentLedger(options.out, {
    "paddock-sent": SENT_LEDGER_VERSION,
    scenario: scenario.name,
    scenarioSha256: options.scenarioSha256,
    seed,
    clockMs: plan.clockMs,
    startedMs: Date.now(),
    target: `[${target.address}]:${target.port}`,
    keyedSensors: plan.keyedSensors,
  });
  for (const { name } of pool.sockets) ledger.endpoint(name);
  const keyed = new Set(plan.keyedSensors);
  const sourceOf = ({ sensor, sendings }: PlannedFrame): string =>
    keyed.has(sensor) ? sensor : pool.socketOf(sendings[0]!.endpoint).name;
  const sender = new Sender({
    pool,
    settings: scenario.coap,
    clock: systemClock,
    random: seededRandom((seed ^ SENDER_SEED) >>> 0),
    done: (planned, atMs, outcome, code, attempts) =>
      ledger.frame(planned, sourceOf(planned), { atMs, outcome, code, attempts }),
  });
  // A run behind its plan would else begin a waiting frame for each that is answered, until the last moment.
  options.signal?.addEventListener("abort", () => sender.seeThrough(), { once: true });
  const flushing = setInterval(() => ledger.flush(), FLUSH_MS);

  const startedMs = performance.now();
  let frames = 0;
  let behindMs = 0;
  let behindMaxMs = 0;
  let reportedMs = startedMs;
  const report = (): void => {
    const nowMs = performance.now();
    if (nowMs - reportedMs < 1000) return;
    reportedMs = nowMs;
    options.onProgress?.({ frames, inFlight: sender.inFlight, elapsedMs: nowMs - startedMs, behindMs });
  };
  try {
    for (const frame of plan.frames) {
      const dueMs = startedMs + frame.atUs / 1000 / speed;
      while (performance.now() < dueMs && !interrupted()) {
        report();
        await waitUntil(dueMs);
      }
      while (sender.inFlight >= window && !interrupted()) {
        report();
        await setTimeout(1);
      }
      if (interrupted()) break;
      sender.send(frame);
      frames++;
      if (frames % FRAMES_PER_TURN !== 0) continue;
      behindMs = Number.isFinite(speed) ? Math.max(0, performance.now() - dueMs) : 0;
      behindMaxMs = Math.max(behindMaxMs, behindMs);
      report();
      do await setImmediate();
      while (pool.queuedBytes > QUEUED_BYTES_MAX);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    await drain(sender, options.drainMs ?? 100_000, interrupted, report);
    return {
      ...finish(sender, ledger, { seconds: round(seconds), behindMaxMs: round(behindMaxMs) }),
      sendErrors: pool.sendErrors,
      interrupted: interrupted(),
    };
  } finally {
    clearInterval(flushing);
  }
}

function finish(sender: Sender, ledger: SentLedger, run: { seconds: number; behindMaxMs: number }) {
  sender.close();
  return ledger.close({ datagrams: sender.datagrams, ...run });
}

/**
 * A timer has a grain of one millisecond, so a run of many frames a millisecond sends them in small bursts; waiting
 * more exactly would take a core from the gateway under test.
 */
async function waitUntil(dueMs: number): Promise<void> {
  await setTimeout(Math.min(50, Math.max(1, dueMs - performance.now())));
}

const INTERRUPTED_DRAIN_MS = 2000;
/** Time for copies that the duplicate fault still owes. */
const LAST_COPIES_MS = 60;

async function drain(sender: Sender, drainMs: number, interrupted: () => boolean, report: () => void): Promise<void> {
  const startedMs = performance.now();
  await setTimeout(LAST_COPIES_MS);
  while (sender.inFlight > 0) {
    const limitMs = interrupted() ? Math.min(INTERRUPTED_DRAIN_MS, drainMs) : drainMs;
    if (performance.now() - startedMs >= limitMs) return;
    report();
    await setTimeout(5);
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
