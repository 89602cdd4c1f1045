import type { Timer } from "@paddock/base/clock.ts";
import type { SessionReport, StateEvent } from "@paddock/uplink/bfd/speaker-events.ts";
import type { SessionFinding } from "@paddock/uplink/paths/combined-liveness.ts";
import { localOrigin, sessionLocal, type WatchedSession } from "./bfd-config.ts";

/** Of a session, or a path, that has been asked about and has not answered. */
export const NOT_SEEN = "not seen by BFD yet";

/** One session and what is known of it. */
export interface Watcher {
  readonly session: WatchedSession;
  /** The address that it sends from; undefined while there is none. */
  local: string | undefined;
  finding: SessionFinding;
  /** Of its newest Down. */
  detectedInMs: number | null;
  report: SessionReport | undefined;
  /** Of the bytes in the report, those that have been handed on; undefined: whatever was before us. */
  bytesMetered: number | undefined;
  /** Since when it has been asked for, from where it sends now; monotonic ms. */
  askedSinceMs: number;
  /** Whether it was up since then. */
  wasUp: boolean;
  /** Nobody has been told yet that it has no address. */
  complains: boolean;
}

/** One path and what its watchers say together. */
export interface WatchedPathState {
  readonly name: string;
  readonly watchers: readonly Watcher[];
  liveness: SessionFinding["liveness"];
  why: string;
  detectedInMs: number | null;
  sinceWallMs: number | null;
  downs: number;
  /** The endpoint in use, once a session was opened. */
  endpoint: string | undefined;
  wake: Timer | undefined;
}

/** A path before anything is known of its sessions. */
export function watchedPath(
  name: string,
  sessions: readonly WatchedSession[],
  { source, nowMs: sinceMs, speakerIsShared }: { source: string | undefined; nowMs: number; speakerIsShared: boolean },
): WatchedPathState {
  const watchers = sessions.map((session): Watcher => ({
    session,
    local: localOrigin(session) === "path" ? source : sessionLocal(session),
    finding: {
      scope: session.scope,
      liveness: "unknown",
      why: NOT_SEEN,
      sinceMs,
      detectionTimeMs: undefined,
    },
    detectedInMs: null,
    report: undefined,
    // What a speaker of somebody else's counted before us has been counted then.
    bytesMetered: speakerIsShared ? undefined : 0,
    askedSinceMs: sinceMs,
    wasUp: false,
    complains: true,
  }));
  return {
    name,
    watchers,
    liveness: "unknown",
    why: NOT_SEEN,
    detectedInMs: null,
    sinceWallMs: null,
    downs: 0,
    endpoint: undefined,
    wake: undefined,
  };
}

/** A first hop that is down on a path that is up has been outlived by what came from end to end. */
export function markOutlived(watcher: Watcher): void {
  const { scope, liveness } = watcher.finding;
  if (scope === "firstHop" && liveness === "down") watcher.finding = { ...watcher.finding, outlived: true };
}

/** Why a session is as it is, after an event of the speaker. */
export function whyOf({ reason, diagnostic, stalledMs }: StateEvent): string {
  const stalled = stalledMs >= 1 ? `, own stall ${Math.round(stalledMs)} ms` : "";
  return `BFD ${reason}${diagnostic === "none" || diagnostic === reason ? "" : ` (${diagnostic})`}${stalled}`;
}

/** The same where there was none. */
export function whyWithoutEvent(connected: boolean): string {
  return connected ? "as the BFD speaker found before" : "BFD speaker is gone";
}
