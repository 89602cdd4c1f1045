import type { Lane } from "@paddock/wire/lanes.ts";
import { decidePaths } from "../paths/path-policy.ts";
import type { PathFact, PathsState } from "../paths/path-state.ts";
import {
  chainNumber,
  type ChainState,
  type CollectorState,
  type Flight,
  type ForwardAction,
  type ForwardInput,
  type ForwardReport,
  type ForwardState,
  type SessionState,
} from "./forward-state.ts";
import type { ChainName } from "./ports.ts";
import { afterFailure, RESTED } from "./retry-schedule.ts";

/** A state while one step works on it. Maps are copies; what is in them is replaced, never changed. */
export interface Draft {
  readonly input: ForwardInput;
  readonly actions: ForwardAction[];
  readonly sessions: Map<string, SessionState>;
  readonly flights: Map<number, Flight>;
  readonly chains: Map<number, ChainState>;
  paths: PathsState;
  nextFlight: number;
  collector: CollectorState;
  backlogCredit: number;
  wakeAtMs: number | undefined;
  stopping: boolean;
  /** When the next small request may leave that has to keep its distance; only of this step. */
  paceAtMs: number | undefined;
}

export function draftOf(state: ForwardState, input: ForwardInput): Draft {
  return {
    ...state,
    input,
    actions: [],
    sessions: new Map(state.sessions),
    flights: new Map(state.flights),
    chains: new Map(state.chains),
    paceAtMs: undefined,
  };
}

export function stateOf(draft: Draft): ForwardState {
  const { input: _input, actions: _actions, paceAtMs: _paceAtMs, ...state } = draft;
  return state;
}

export function report(draft: Draft, event: ForwardReport): void {
  draft.actions.push({ kind: "report", report: event });
}

export function patchSession(draft: Draft, path: string, patch: Partial<SessionState>): SessionState {
  const session = { ...draft.sessions.get(path)!, ...patch };
  draft.sessions.set(path, session);
  return session;
}

export function chainOf(draft: Draft, { lane, epoch }: ChainName): ChainState {
  return (
    draft.chains.get(chainNumber({ lane, epoch })) ?? {
      lane: lane satisfies Lane,
      epoch,
      marks: [],
      resume: "due",
      asked: undefined,
      blockedUntilMs: 0,
      retry: RESTED,
      unreadable: [],
      unreadableUntilMs: 0,
      stoppedWhy: undefined,
      stallLevel: 0,
      gatherUntilMs: { live: 0, backlog: 0 },
      progressMs: draft.input.nowMs,
    }
  );
}

export function patchChain(draft: Draft, chain: ChainName, patch: Partial<ChainState>): ChainState {
  const next = { ...chainOf(draft, chain), ...patch };
  draft.chains.set(chainNumber(chain), next);
  return next;
}

/** Remembers since when a path does not work as configured. */
export function noteTrouble(draft: Draft, path: string, of: "session" | "requests", detail: string): void {
  const { trouble } = draft.sessions.get(path)!;
  patchSession(draft, path, { trouble: { of, sinceMs: trouble?.sinceMs ?? draft.input.nowMs, detail } });
}

/** Forgets a flight, so that its range is free to be sent again. */
export function abortFlight(draft: Draft, flight: Flight): void {
  draft.flights.delete(flight.id);
  draft.actions.push({ kind: "abort", flight: flight.id });
}

/** Tells the path policy, and draws the consequences: what flew on a path that failed is free to go out on the next. */
export function decide(draft: Draft, fact: PathFact): void {
  const { input } = draft;
  const step = decidePaths(draft.paths, fact, input, input.settings.paths);
  const before = draft.paths.active;
  draft.paths = step.state;
  let framesResent = 0;
  for (const flight of draft.flights.values()) {
    if (flight.stage === "delivered" || !hasFailed(step.state, flight.path)) continue;
    abortFlight(draft, flight);
    if (flight.path === before && !flight.copy) framesResent += flight.records;
  }
  if (step.switched === undefined) return;
  report(draft, { event: "path-switch", framesResent, ...step.switched });
  const { active } = step.state;
  if (active !== undefined) {
    const { switches } = draft.sessions.get(active)!;
    // One small request is answered soonest, and shows that the path works; what waits follows its receipt.
    const atFirst = before === undefined ? {} : { requestBytes: input.settings.requestBytesMin, unproven: true };
    patchSession(draft, active, { switches: switches + 1, ...atFirst });
  }
  // After a time without any session it is unknown which acknowledgements were lost.
  else for (const chain of draft.chains.values()) patchChain(draft, chain, { resume: "due" });
}

function hasFailed(paths: PathsState, path: string): boolean {
  const standing = paths.standings.get(path);
  if (standing === "unusable") return true;
  return path !== paths.active && (standing === "brown-out" || standing === "doubtful");
}

/** Closes a session on purpose; it is opened again when `retryAtMs` has come. */
export function closeSession(draft: Draft, path: string, why: string, retryAtMs: number): void {
  if (draft.sessions.get(path)!.status === "closed") return;
  draft.actions.push({ kind: "close", path });
  patchSession(draft, path, { status: "closed", retryAtMs, hurryAtMs: retryAtMs, succession: undefined });
  decide(draft, { kind: "session-lost", path, why, harmless: true });
}

/** With what it takes to connect, whoever comes back is found within two seconds. */
const HURRY_MAX_MS = 1000;

/** Draws the next delay of a path's reconnect back-off. */
export function backOffSession(draft: Draft, path: string, identity: boolean): number {
  const { settings, random, nowMs } = draft.input;
  const retry = afterFailure(
    draft.sessions.get(path)!.retry,
    identity ? settings.identityRetry : settings.sessionRetry,
    random,
  );
  // The upper part of a long delay is as good a draw as any.
  const hurryMs =
    retry.delayMs <= HURRY_MAX_MS ? retry.delayMs : HURRY_MAX_MS / 2 + (retry.delayMs % (HURRY_MAX_MS / 2));
  patchSession(draft, path, {
    retry,
    retryAtMs: nowMs + retry.delayMs,
    // A collector that is another one does not become ours by haste.
    hurryAtMs: nowMs + (identity ? retry.delayMs : hurryMs),
  });
  return retry.delayMs;
}
