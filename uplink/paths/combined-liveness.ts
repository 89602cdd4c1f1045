import type { Liveness } from "./path-config.ts";

/** How far a session looks: to the next router, or through to the collector. */
export type WatchScope = "firstHop" | "endToEnd";

/** What one session of a path found last. */
export interface SessionFinding {
  readonly scope: WatchScope;
  readonly liveness: Liveness;
  /** A sentence part. */
  readonly why: string;
  /** Monotonic; when it became so. */
  readonly sinceMs: number;
  /** Silence that it takes for a failure, in ms; undefined while not negotiated. */
  readonly detectionTimeMs: number | undefined;
  /** A first hop that is down, while packets came from end to end for longer than it takes to miss them. */
  readonly outlived?: boolean;
}

export interface CombinedLiveness {
  readonly liveness: Liveness;
  readonly why: string;
  /** The session that decided; undefined when none has anything to say. */
  readonly decidedBy: WatchScope | undefined;
  /** When time alone changes the answer; undefined when it cannot. */
  readonly wakeAtMs: number | undefined;
}

/** Room for the clocks of two processes, above the detection time. */
const GRACE_MS = 100;

/**
 * What the sessions of one path say together. Any that finds it down takes it down at once, as the first hop usually
 * notices before the far end can. But packets that keep coming from end to end for longer than it takes to miss them
 * prove the path, whatever its router says of itself: then only the router's BFD has failed, and it has no say until it
 * is up again (the caller remembers that as `outlived`). Otherwise the session that sees the whole path decides. Pure.
 */
export function combineLiveness(findings: readonly SessionFinding[], nowMs: number): CombinedLiveness {
  const firstHop = findings.find(({ scope }) => scope === "firstHop");
  const endToEnd = findings.find(({ scope }) => scope === "endToEnd");
  const outlived = firstHop?.liveness === "down" && firstHop.outlived === true;
  if (firstHop?.liveness === "down" && endToEnd?.liveness === "up") {
    const provenAtMs = outlived
      ? nowMs
      : firstHop.sinceMs + (endToEnd.detectionTimeMs ?? Number.POSITIVE_INFINITY) + GRACE_MS;
    if (nowMs < provenAtMs) {
      const wakeAtMs = Number.isFinite(provenAtMs) ? provenAtMs : undefined;
      return { liveness: "down", why: sentence(firstHop, findings), decidedBy: "firstHop", wakeAtMs };
    }
    const why = `${sentence(endToEnd, findings)}, although the first hop is down (${firstHop.why})`;
    return { liveness: "up", why, decidedBy: "endToEnd", wakeAtMs: undefined };
  }
  // Of two that are down, the first hop says where it broke.
  const firstDown = firstHop?.liveness === "down" && !outlived ? firstHop : undefined;
  const decides = firstDown ?? endToEnd ?? firstHop;
  if (decides === undefined)
    return { liveness: "unknown", why: "not watched", decidedBy: undefined, wakeAtMs: undefined };
  const { liveness, scope } = decides;
  return { liveness, why: sentence(decides, findings), decidedBy: scope, wakeAtMs: undefined };
}

const PLACES: Readonly<Record<WatchScope, string>> = { firstHop: "first hop", endToEnd: "end to end" };

/** Says which of two sessions is meant. */
function sentence({ scope, why }: SessionFinding, all: readonly SessionFinding[]): string {
  return all.length === 1 ? why : `${PLACES[scope]}: ${why}`;
}
