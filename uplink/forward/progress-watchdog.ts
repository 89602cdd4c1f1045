import { abortFlight, closeSession, decide, patchChain, patchSession, report, type Draft } from "./forward-draft.ts";
import { chainNumber, type ChainState } from "./forward-state.ts";

/** What of a chain has been on its way for the longest time: a request, or the question for its receipt. */
interface Waiting {
  readonly chain: ChainState;
  readonly path: string;
  readonly sinceMs: number;
}

/**
 * Notices a chain that has something in flight and gets no receipt, and climbs: first the lane's requests go out again;
 * then the path is left, if another one works, or its session is opened anew; then a person is called. From there on it
 * keeps opening sessions, ever more slowly, as a path too slow for the step before may be fast enough for this one.
 */
export function watchProgress(draft: Draft): void {
  for (const waiting of longestWaiting(draft)) {
    if (draft.input.nowMs >= stallAtMs(draft, waiting)) climb(draft, waiting);
  }
}

/** When the watchdog has to look again; undefined while nothing is in flight. */
export function watchdogWakeAtMs(draft: Draft): number | undefined {
  const times = longestWaiting(draft).map((waiting) => stallAtMs(draft, waiting));
  return times.length === 0 ? undefined : Math.min(...times);
}

function longestWaiting(draft: Draft): Waiting[] {
  const longest = new Map<number, Waiting>();
  const consider = (key: number, path: string, sinceMs: number) => {
    const known = longest.get(key);
    if (known !== undefined && known.sinceMs <= sinceMs) return;
    longest.set(key, { chain: draft.chains.get(key)!, path, sinceMs });
  };
  for (const flight of draft.flights.values()) {
    if (flight.stage !== "delivered" && !flight.copy) consider(chainNumber(flight), flight.path, flight.sentMs);
  }
  for (const [key, chain] of draft.chains) {
    if (chain.resume === "asking" && chain.asked !== undefined) consider(key, chain.asked.path, chain.asked.atMs);
  }
  return [...longest.values()];
}

function stallAtMs(draft: Draft, { chain, path, sinceMs }: Waiting): number {
  const { settings } = draft.input;
  const slow = 4 * (draft.sessions.get(path)?.rttMs ?? 0);
  const patience = Math.max(settings.stallMs, slow) * 2 ** Math.max(0, chain.stallLevel - 2);
  return Math.max(sinceMs, chain.progressMs) + Math.min(settings.stallCapMs, patience);
}

function climb(draft: Draft, { chain, path, sinceMs }: Waiting): void {
  const { nowMs } = draft.input;
  const withoutReceiptMs = Math.round(nowMs - sinceMs);
  const level = chain.stallLevel + 1;
  const resume = chain.resume === "asking" ? "done" : chain.resume;
  patchChain(draft, chain, { stallLevel: level, progressMs: nowMs, resume });
  patchSession(draft, path, { requestBytes: draft.input.settings.requestBytesMin });
  for (const other of draft.flights.values()) {
    if (chainNumber(other) === chainNumber(chain) && other.stage !== "delivered" && !other.copy)
      abortFlight(draft, other);
  }
  const refuge = hasRefuge(draft, path);
  const step = level === 1 ? "lane" : level > 2 ? "alarm" : refuge ? "path" : "session";
  report(draft, { event: "stalled", lane: chain.lane, epoch: chain.epoch, path, step, withoutReceiptMs });
  if (step === "lane") return;
  if (refuge) {
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
