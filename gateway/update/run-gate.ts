import { messageOf } from "@paddock/base/errors.ts";
import { isOnTrial } from "./boot-entries.ts";
import { openBoot, runningRelease, type DevicePaths } from "./device.ts";
import { startGate, stepGate, type GateEvent, type GateVerdict } from "./gate.ts";
import { bootInstead } from "./go-back.ts";
import { confirmed, settle } from "./settle.ts";
import { readState, withResult, writeState, type UpdateState } from "./state.ts";

export interface GateOptions {
  readonly paths: DevicePaths;
  /** How long a receipt may take, ms. */
  readonly withinMs: number;
  /** Asks the gateway. */
  readonly ask: () => Promise<GateEvent>;
  readonly tell: (line: string) => void;
  /** Unix ms. */
  readonly now: () => number;
  /** ms of a clock that only goes forward. */
  readonly monotonic: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

const ASK_EVERY_MS = 1000;

/**
 * Judges the release that was just started, if it is new here, and keeps the result. "given-up": the next start is that of the
 * release before, and this machine is to be started again.
 */
export async function runGate(options: GateOptions): Promise<"healthy" | "given-up"> {
  const { paths, tell, now } = options;
  const { version: running } = await runningRelease(paths);
  const { boot, entries } = await openBoot(paths, running);
  const before = await readState(paths.stateDir, tell);
  const settled = settle(before, { running, entries, nowMs: now() });
  for (const result of settled.state.results.slice(before.results.length))
    tell(`release ${result.version ?? ""} was ${result.outcome}: ${result.reason ?? ""}`);
  if (settled.kind === "none") {
    if (JSON.stringify(settled.state) !== JSON.stringify(before)) await writeState(paths.stateDir, settled.state);
    return "healthy";
  }
  const pending = settled.state.pending!;
  const { healthy, reason } = await judge(options, settled.state);
  // That took minutes, and a person may have held updates meanwhile.
  const state = { ...settled.state, hold: (await readState(paths.stateDir)).hold };
  tell(`release ${running} is ${healthy ? "confirmed" : "unhealthy"}: ${reason}`);
  if (healthy) {
    await writeState(paths.stateDir, confirmed(state, reason, now()));
    return "healthy";
  }
  // Said before it is done: whatever happens now, the release before knows why it was started.
  await writeState(paths.stateDir, { ...state, pending: { ...pending, written: true, reason } });
  if (await bootInstead(boot, running, pending.from)) return "given-up";
  tell(`there is no release to go back to: ${pending.from} is gone`);
  const { id } = pending;
  const result = { id, kind: "release", version: running, outcome: "failed", reason, at: now() } as const;
  await writeState(paths.stateDir, withResult({ ...state, pending: null }, result));
  return "healthy";
}

/**
 * What a gate that fails itself means: with another release to go back to, the trial goes on and the boot loader counts; with
 * none, going round in circles would help nobody.
 */
export async function afterFailure(error: unknown, { paths, tell }: GateOptions): Promise<"healthy" | "given-up"> {
  tell(`the gate failed: ${messageOf(error)}`);
  try {
    const { version: running } = await runningRelease(paths);
    const { entries } = await openBoot(paths, running);
    return isOnTrial(entries, running) ? "given-up" : "healthy";
  } catch {
    return "healthy";
  }
}

async function judge(options: GateOptions, { lastReceiptBefore }: UpdateState): Promise<GateVerdict> {
  const { withinMs, ask, monotonic, sleep } = options;
  let gate = startGate({ withinMs, receiptBeforeS: lastReceiptBefore?.receiptS ?? null, nowMs: monotonic() });
  for (;;) {
    const { state, verdict } = stepGate(gate, await ask(), monotonic());
    if (verdict !== undefined) return verdict;
    gate = state;
    await sleep(ASK_EVERY_MS);
  }
}

/**
 * Before this machine starts the pending release, perhaps long after it was installed: what this release last said of its
 * receipts is what the other one is judged by.
 */
export async function noteLeaving(
  paths: DevicePaths,
  lastReceiptS: () => Promise<number | null>,
  nowMs: number,
): Promise<void> {
  const state = await readState(paths.stateDir);
  const { version: running } = await runningRelease(paths);
  if (state.pending?.written !== true || state.pending.from !== running) return;
  const receiptS = await lastReceiptS();
  await writeState(paths.stateDir, { ...state, lastReceiptBefore: { receiptS, at: nowMs } });
}
