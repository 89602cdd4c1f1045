import type { Lane } from "@paddock/wire/lanes.ts";
import type { Liveness, PathConfig } from "./path-config.ts";
import { FLAP_SETTINGS, NO_FLAPS, type FlapSettings, type FlapState } from "./flap-penalty.ts";
import type { PathUsage } from "./metered-budget.ts";

export interface PathSettings {
  /** How long a path must have been sound before it takes over from one that works. */
  readonly holdDownMs: number;
  /** How long a path that lives but loses stays out. */
  readonly brownOutMs: number;
  /** Requests that fail in a row, with no answer between, before a path counts as losing. */
  readonly failuresToBrownOut: number;
  /** Share of the packets of its watcher, 0 to 1, above which a path counts as losing. */
  readonly lossToBrownOut: number;
  /** A receipt younger than this speaks for a path whose watcher died. */
  readonly receiptFreshMs: number;
  /** Send `alarm` over a second, disjoint path at the same time. */
  readonly alarmTwice: boolean;
  readonly flaps: FlapSettings;
}

export const PATH_SETTINGS: PathSettings = {
  holdDownMs: 10_000,
  brownOutMs: 30_000,
  failuresToBrownOut: 2,
  lossToBrownOut: 0.2,
  receiptFreshMs: 10_000,
  alarmTwice: false,
  flaps: FLAP_SETTINGS,
};

/** From the best to the worst; a worse standing is used only when no path has a better one. */
export const STANDINGS = [
  /** Session open, and nothing speaks against it. */
  "healthy",
  /**
   * Works, but the month's budget is used up. Better than a path that fails often, as it is for alarms only: what it does
   * not take goes over the next path that works, at once, suppressed or not (forward-plan.ts).
   */
  "over-budget",
  /** Works, but failed too often lately. */
  "suppressed",
  /** Alive, but requests go unanswered. */
  "brown-out",
  /** Its watcher calls it down, but its session is still open. */
  "doubtful",
  /** No session: nothing can be sent. */
  "unusable",
] as const;
export type Standing = (typeof STANDINGS)[number];

export interface PathState {
  readonly config: PathConfig;
  readonly liveness: Liveness;
  /** What the watcher said with its last change. */
  readonly livenessWhy: string;
  /** From the failure to its discovery, in ms, as the watcher measured it at the last change. */
  readonly detectedInMs: number | undefined;
  readonly sessionOpen: boolean;
  /** Why there is no session. */
  readonly sessionWhy: string;
  readonly lastReceiptMs: number | undefined;
  /** Requests that failed since the last answer. */
  readonly failures: number;
  /** Out for losing until then; 0 when not. */
  readonly brownOutUntilMs: number;
  readonly brownOutWhy: string;
  /** Since when it has been usable without a doubt; undefined while it is not. */
  readonly soundSinceMs: number | undefined;
  readonly flaps: FlapState;
  readonly usage: PathUsage;
}

/** What the policy thinks of a path, in words. */
export interface PathVerdict {
  readonly name: string;
  readonly role: "active" | "standby" | "idle";
  readonly standing: Standing;
  /** A sentence for the operator. */
  readonly why: string;
  /** Lanes that may use it now. */
  readonly lanes: readonly Lane[];
  /** Until it may take over from a path that works, in ms; undefined while it carries traffic or is not sound. */
  readonly holdDownMs: number | undefined;
  /** Until its flap penalty no longer holds it back, in ms; undefined when it does not. */
  readonly suppressedMs: number | undefined;
}

/** One explained change of the path that carries traffic. */
export interface PathSwitch {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly why: string;
  /** With a path that was left because its watcher found it down: how long that took. */
  readonly detectedInMs?: number;
}

export interface PathsState {
  /** In the order of the configuration. */
  readonly paths: readonly PathState[];
  readonly active: string | undefined;
  readonly activeSinceMs: number;
  /** Where traffic goes when the active path fails: disjoint from it if any such path works. */
  readonly standby: string | undefined;
  /** Carries a second copy of each alarm, with `alarmTwice`. */
  readonly alarmAlso: string | undefined;
  readonly standings: ReadonlyMap<string, Standing>;
  /** When time alone may change the decision; undefined when it cannot. */
  readonly wakeAtMs: number | undefined;
}

/** What happened to a path. */
export type PathFact =
  | {
      readonly kind: "liveness";
      readonly path: string;
      readonly liveness: Liveness;
      readonly why: string;
      readonly detectedInMs?: number | undefined;
    }
  | { readonly kind: "session-open"; readonly path: string }
  /** `harmless` when we closed it ourselves, or when nothing was in flight: an ingress closes idle connections. */
  | { readonly kind: "session-lost"; readonly path: string; readonly why: string; readonly harmless: boolean }
  /** The collector answered a request, whatever the answer. */
  | { readonly kind: "answer"; readonly path: string; readonly receipt: boolean }
  | { readonly kind: "request-failed"; readonly path: string; readonly why: string }
  /** The no-progress watchdog gave up on it. */
  | { readonly kind: "stalled"; readonly path: string; readonly why: string }
  /** Its watcher measured the share of packets that was lost in the last minute, 0 to 1. */
  | { readonly kind: "loss"; readonly path: string; readonly share: number }
  | { readonly kind: "used"; readonly path: string; readonly bytes: number }
  | { readonly kind: "configured"; readonly config: PathConfig }
  | { readonly kind: "time" };

/** Paths before anything is known: no session, liveness unknown. `usage` is what an earlier run recorded. */
export function initialPaths(
  configs: readonly PathConfig[],
  usage: Readonly<Record<string, PathUsage>> = {},
): PathsState {
  const paths = configs.map((config): PathState => ({
    config,
    liveness: "unknown",
    livenessWhy: "not watched",
    detectedInMs: undefined,
    sessionOpen: false,
    sessionWhy: "not opened yet",
    lastReceiptMs: undefined,
    failures: 0,
    brownOutUntilMs: 0,
    brownOutWhy: "",
    soundSinceMs: undefined,
    flaps: NO_FLAPS,
    usage: usage[config.name] ?? { monthStartMs: 0, bytes: 0 },
  }));
  return {
    paths,
    active: undefined,
    activeSinceMs: 0,
    standby: undefined,
    alarmAlso: undefined,
    standings: new Map(configs.map((config) => [config.name, "unusable"])),
    wakeAtMs: undefined,
  };
}
