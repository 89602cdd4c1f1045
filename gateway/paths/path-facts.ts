import type { SessionReport } from "@paddock/uplink/bfd/speaker-events.ts";
import type { WatchScope } from "@paddock/uplink/paths/combined-liveness.ts";
import type { WatchPace } from "@paddock/uplink/paths/watch-pace.ts";
import type { PathTransition } from "./path-history.ts";
import type { RouteFinding } from "./path-routes.ts";

/** What is known of paths besides what the forwarder knows, for whoever shows it. */
export interface PathFacts {
  readonly watch: PathWatchFacts | undefined;
  readonly history: { of(path: string): readonly PathTransition[] };
  /** The endpoint in use. */
  endpoint(path: string): string | undefined;
  route(path: string): RouteFinding | null;
  sourceAddress(path: string): SourceStatus | null;
}

export interface PathWatchFacts {
  readonly speakerConnected: boolean;
  /** Null for a path that nobody watches. */
  status(path: string): PathWatchStatus | null;
}

/** An address of this machine; times in seconds, null for ever. */
export interface SourceStatus {
  readonly interface: string;
  readonly prefixLength: number;
  readonly temporary: boolean;
  readonly deprecated: boolean;
  readonly preferredForS: number | null;
  readonly validForS: number | null;
}

/** Why a path is not usable, or not watched as configured. */
export interface TroubleStatus {
  readonly why: string;
  readonly remedy: string;
  readonly forS: number;
}

/** What BFD last said about a path. */
export interface PathWatchStatus {
  /** `slow`: metered and not needed now. */
  readonly pace: WatchPace;
  readonly why: string;
  /** Of the newest Down: from the last packet to the verdict. */
  readonly detectedInMs: number | null;
  /** Unix milliseconds of the newest change. */
  readonly sinceWallMs: number | null;
  readonly downs: number;
  /** Why it is not watched as configured; null while nothing is known to be wrong. */
  readonly trouble: TroubleStatus | null;
  /** The one from end to end first. */
  readonly sessions: readonly SessionWatchStatus[];
}

/** One BFD session of a path. */
export interface SessionWatchStatus {
  readonly scope: WatchScope;
  readonly mode: "seamless" | "multihop" | "single-hop" | "echo";
  /** Null while there is no address to send from. */
  readonly local: string | null;
  /** Null for an echo, which comes back to `local`. */
  readonly remote: string | null;
  readonly liveness: "up" | "down" | "unknown";
  readonly why: string;
  /** What the speaker tells of it; null while it cannot be asked. */
  readonly report: SessionReport | null;
}
