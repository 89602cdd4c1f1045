import type { Liveness } from "./path-config.ts";
import type { PathVerdict, Standing } from "./path-state.ts";

/** How fast a path is watched: as its configuration says, or with as little traffic as keeps the session. */
export type WatchPace = "configured" | "slow";

/** What decides about the pace of a path. */
export interface PacedPath extends Pick<PathVerdict, "name" | "role" | "standing"> {
  readonly liveness: Liveness;
  /** Its liveness has a watcher. */
  readonly watched: boolean;
  /** It is paid by volume. */
  readonly metered: boolean;
}

const TRUSTED: ReadonlySet<Standing> = new Set(["healthy", "over-budget"]);

/**
 * How each watched path is to be watched now. A path that is paid by volume and carries nothing is watched slowly; as
 * soon as the one that carries the traffic is gone or in doubt, every path is watched as configured, since any of them
 * may be needed next. Pure.
 */
export function watchPaces(paths: readonly PacedPath[]): Map<string, WatchPace> {
  const active = paths.find(({ role }) => role === "active");
  const trusted = active !== undefined && isTrusted(active);
  return new Map(
    paths
      .filter(({ watched }) => watched)
      .map((path) => [path.name, path !== active && path.metered && trusted ? "slow" : "configured"]),
  );
}

function isTrusted({ standing, liveness, watched }: PacedPath): boolean {
  return TRUSTED.has(standing) && (!watched || liveness === "up");
}
