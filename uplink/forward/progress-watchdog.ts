import {
  abortFlight,
  closeSession,
  decide,
  chainOf,
  patchChain,
  patchSession,
  report,
  type Draft,
} from "./forward-draft.ts";
import { chainKey, type ChainState, type Flight, type ForwardSettings } from "./forward-state.ts";

/**
 * Notices a chain that has something in flight and gets no receipt, and climbs: first the lane's requests go out again;
 * then the path is left, if another one works, or its session is opened anew; then a person is called. From there on it
 * keeps opening sessions, ever more slowly, as a path too slow for the step before may be fast enough for this one.
 */
export function watchProgress(draft: Draft): void {
  const { nowMs, settings } = draft.input;
  for (const flight of oldestFlights(draft)) {
    const chain = chainOf(draft, flight);
    if (nowMs < stallAtMs(draft, chain, flight, settings)) continue;
    climb(draft, chain, flight);
  }
}

/** When the watchdog has to look again; undefined while nothing is in flight. */
export function watchdogWakeAtMs(draft: Draft): number | undefined {
  const times = oldestFlights(draft).map((flight) =>
    stallAtMs(draft, chainOf(draft, flight), flight, draft.input.settings),
  );
  return times.length === 0 ? undefined : Math.min(...times);
}

function oldestFlights(draft: Draft): Flight[] {
  const oldest = new Map<number, Flight>();
  for (const flight of draft.flights.values()) {
    if (flight.stage === "delivered" || flight.copy) continue;
    const key = chainKey(flight);
    const known = oldest.get(key);
    if (known === undefined || flight.sentMs < known.sentMs) oldest.set(key, flight);
  }
  return [...oldest.values()];
}

function stallAtMs(draft: Draft, chain: ChainState, flight: Flight, settings: ForwardSettings): number {
  const slow = 4 * (draft.sessions.get(flight.path)?.rttMs ?? 0);
  const patience = Math.max(settings.stallMs, slow) * 2 ** Math.max(0, chain.stallLevel - 2);
  return Math.max(flight.sentMs, chain.progressMs) + Math.min(settings.stallCapMs, patience);
}

function climb(draft: Draft, chain: ChainState, flight: Flight): void {
  const { nowMs } = draft.input;
  const { path } = flight;
  const withoutReceiptMs = Math.round(nowMs - flight.sentMs);
  const level = chain.stallLevel + 1;
  patchChain(draft, chain, { stallLevel: level, progressMs: nowMs });
  patchSession(draft, path, { requestBytes: draft.input.settings.requestBytesMin });
  for (const other of [...draft.flights.values()]) {
    if (chainKey(other) === chainKey(chain) && other.stage !== "delivered" && !other.copy) abortFlight(draft, other);
  }
  const step = level === 1 ? "lane" : level > 2 ? "alarm" : hasRefuge(draft, path) ? "path" : "session";
  report(draft, { event: "stalled", lane: chain.lane, epoch: chain.epoch, path, step, withoutReceiptMs });
  if (step === "lane") return;
  if (hasRefuge(draft, path)) {
    decide(draft, { kind: "stalled", path, why: `no receipt for ${(withoutReceiptMs / 1000).toFixed(1)} s` });
  }
  closeSession(draft, path, "opened anew for want of receipts", nowMs);
}

function hasRefuge(draft: Draft, path: string): boolean {
  for (const [name, standing] of draft.paths.standings) {
    if (name !== path && standing !== "unusable" && standing !== "doubtful" && standing !== "brown-out") return true;
  }
  return false;
}
