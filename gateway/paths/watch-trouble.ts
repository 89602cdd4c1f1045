import type { SessionReport } from "@paddock/uplink/bfd/speaker-events.ts";
import type { PathTrouble } from "@paddock/uplink/paths/path-trouble.ts";
import type { WatchedSession } from "./bfd-config.ts";

/** What is known of a session that should watch a path. */
export interface WatchedSessionFacts {
  readonly session: WatchedSession;
  /** The address that it sends from; undefined while there is none. */
  readonly local: string | undefined;
  /** Since when it has been asked for, from where it sends now; monotonic ms. */
  readonly askedSinceMs: number;
  /** Whether it was up at any time since then. */
  readonly wasUp: boolean;
  /** What the speaker last told of it. */
  readonly report: Pick<SessionReport, "strangerAddress" | "remote"> | undefined;
}

/** A session that was not up by then does not only start. */
const NEVER_UP_MS = 60_000;

type Mode = WatchedSession["config"]["mode"];

const REMEDIES: Readonly<Record<Mode, string>> = {
  seamless:
    "check bfd.endToEnd.discriminator against bfd.seamless.discriminator of the collector, and that UDP port 7784 gets through",
  multihop: "check that the collector has bfd.passive with the same auth, and that UDP port 4784 gets through",
  "single-hop": "check that the router has a BFD session with this address, and that UDP port 3784 gets through",
  echo: "check that the router sends packets back that are addressed to their sender (UDP port 3785)",
};

/** The first session of a path that has never been up for a minute; undefined when there is none. Pure. */
export function watchTrouble(sessions: readonly WatchedSessionFacts[], nowMs: number): PathTrouble | undefined {
  for (const { session, local, askedSinceMs, wasUp, report } of sessions) {
    const forMs = nowMs - askedSinceMs;
    if (wasUp || forMs < NEVER_UP_MS) continue;
    const { scope, config } = session;
    const where = scope === "endToEnd" ? "end to end" : "to the first hop";
    if (local === undefined) {
      const why = `BFD ${where} has no address to send from`;
      return { why, remedy: "check the source of the path and the route to the other end", forMs };
    }
    const stranger = report?.strangerAddress ?? null;
    const remedy =
      stranger === null
        ? REMEDIES[config.mode]
        : `packets come from ${stranger}, not from ${report?.remote}: let both ends name the address that the other sends from`;
    return { why: `BFD ${where} was never up`, remedy, forMs };
  }
  return undefined;
}
