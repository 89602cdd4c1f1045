import { addFlap, penaltyAt, reuseAtMs, settleFlaps } from "./flap-penalty.ts";
import { addUsage, admittedLanes, budgetLeft } from "./metered-budget.ts";
import {
  STANDINGS,
  type PathFact,
  type PathSettings,
  type PathState,
  type PathsState,
  type PathSwitch,
  type PathVerdict,
  type Standing,
} from "./path-state.ts";

export interface PathsNow {
  /** Monotonic. */
  readonly nowMs: number;
  /** Unix time, for billing months only. */
  readonly wallMs: number;
}

export interface PathsStep {
  readonly state: PathsState;
  /** Set when another path carries traffic from now on. */
  readonly switched: PathSwitch | undefined;
}

/**
 * Which path carries traffic, after one more fact. Pure.
 *
 * A path that fails is left at once, for the disjoint standby if there is one. A path that would merely be better takes
 * over only after it was sound for the hold-down time, and not sooner than that after the last switch, so that a path
 * that comes and goes cannot pull the traffic to and fro.
 */
export function decidePaths(state: PathsState, fact: PathFact, now: PathsNow, settings: PathSettings): PathsStep {
  const paths = state.paths.map((path) => {
    const named = fact.kind === "time" ? undefined : fact.kind === "configured" ? fact.config.name : fact.path;
    const changed = path.config.name === named ? applyFact(path, fact, now, settings) : path;
    return settle(changed, now, settings);
  });
  const standings = new Map(paths.map((path) => [path.config.name, standingOf(path, now)]));
  const active = paths.find((path) => path.config.name === state.active);
  const choice = choose(standings, active, { ...state, paths }, now, settings);
  const chosen = choice.path;
  const standby = chosen === undefined ? undefined : bestStandby(paths, standings, chosen);
  const alarmAlso =
    settings.alarmTwice && chosen !== undefined && standby !== undefined && areDisjoint(chosen, standby)
      ? standby.config.name
      : undefined;
  const moved = chosen?.config.name !== state.active;
  const next: PathsState = {
    paths,
    active: chosen?.config.name,
    activeSinceMs: moved ? now.nowMs : state.activeSinceMs,
    standby: standby?.config.name,
    alarmAlso,
    standings,
    wakeAtMs: undefined,
  };
  return {
    state: { ...next, wakeAtMs: wakeAt(next, now, settings) },
    switched: moved ? explainSwitch(active, chosen, choice.why) : undefined,
  };
}

/** Every path with its role, its standing and the reason, for people. */
export function pathVerdicts(state: PathsState, now: PathsNow, settings: PathSettings): PathVerdict[] {
  return state.paths.map((path) => {
    const { name } = path.config;
    const standing = state.standings.get(name)!;
    return {
      name,
      role: name === state.active ? "active" : name === state.standby ? "standby" : "idle",
      standing,
      why: describe(path, standing, now, settings),
      lanes: admittedLanes(path.config.metered, path.usage),
      holdDownMs: name === state.active ? undefined : remainingMs(promotableAtMs(path, state, settings), now),
      suppressedMs: path.flaps.suppressed ? remainingMs(reuseAtMs(path.flaps, settings.flaps), now) : undefined,
    };
  });
}

function remainingMs(atMs: number, { nowMs }: PathsNow): number | undefined {
  return Number.isFinite(atMs) ? Math.max(0, atMs - nowMs) : undefined;
}

function applyFact(path: PathState, fact: PathFact, now: PathsNow, settings: PathSettings): PathState {
  const { nowMs, wallMs } = now;
  switch (fact.kind) {
    case "liveness": {
      const fell = fact.liveness === "down" && path.liveness !== "down";
      return {
        ...path,
        liveness: fact.liveness,
        livenessWhy: fact.why,
        detectedInMs: fact.detectedInMs,
        flaps: fell ? addFlap(path.flaps, nowMs, settings.flaps) : path.flaps,
      };
    }
    case "session-open":
      return { ...path, sessionOpen: true, sessionWhy: "", failures: 0 };
    case "session-lost": {
      // A session that falls with its path is one failure, not two.
      const counts = path.sessionOpen && !fact.harmless && path.liveness !== "down";
      return {
        ...path,
        sessionOpen: false,
        sessionWhy: fact.why,
        flaps: counts ? addFlap(path.flaps, nowMs, settings.flaps) : path.flaps,
      };
    }
    case "answer":
      return { ...path, failures: 0, lastReceiptMs: fact.receipt ? nowMs : path.lastReceiptMs };
    case "request-failed": {
      const failures = path.failures + 1;
      if (failures < settings.failuresToBrownOut) return { ...path, failures };
      return brownOut({ ...path, failures }, `${failures} requests in a row failed: ${fact.why}`, nowMs, settings);
    }
    case "stalled":
      return brownOut(path, fact.why, nowMs, settings);
    case "loss":
      if (fact.share < settings.lossToBrownOut) return path;
      return brownOut(path, `${Math.round(fact.share * 100)} % of the packets that watch it are lost`, nowMs, settings);
    case "used":
      if (path.config.metered === undefined) return path;
      return { ...path, usage: addUsage(path.usage, fact.bytes, wallMs, path.config.metered) };
    case "configured":
      return { ...path, config: fact.config };
    case "time":
      return path;
  }
}

function brownOut(path: PathState, why: string, nowMs: number, settings: PathSettings): PathState {
  const first = path.brownOutUntilMs === 0;
  return {
    ...path,
    brownOutUntilMs: nowMs + settings.brownOutMs,
    brownOutWhy: why,
    flaps: first ? addFlap(path.flaps, nowMs, settings.flaps) : path.flaps,
  };
}

/** What the passing of time does to a path. */
function settle(path: PathState, now: PathsNow, settings: PathSettings): PathState {
  const { metered } = path.config;
  const over = path.brownOutUntilMs !== 0 && now.nowMs >= path.brownOutUntilMs;
  const settled: PathState = {
    ...path,
    flaps: settleFlaps(path.flaps, now.nowMs, settings.flaps),
    usage: metered === undefined ? path.usage : addUsage(path.usage, 0, now.wallMs, metered),
    brownOutUntilMs: over ? 0 : path.brownOutUntilMs,
    failures: over ? 0 : path.failures,
  };
  const sound = settled.sessionOpen && settled.liveness !== "down" && settled.brownOutUntilMs === 0;
  return { ...settled, soundSinceMs: sound ? (path.soundSinceMs ?? now.nowMs) : undefined };
}

function standingOf(path: PathState, now: PathsNow): Standing {
  if (!path.sessionOpen) return "unusable";
  if (path.liveness === "down") return "doubtful";
  if (path.brownOutUntilMs > now.nowMs) return "brown-out";
  if (path.flaps.suppressed) return "suppressed";
  const { metered } = path.config;
  return metered !== undefined && budgetLeft(path.usage, metered) === 0 ? "over-budget" : "healthy";
}

type Standings = ReadonlyMap<string, Standing>;

function rank(path: PathState, standings: Standings): number {
  return STANDINGS.indexOf(standings.get(path.config.name)!);
}

function isUsable(path: PathState, standings: Standings): boolean {
  return standings.get(path.config.name) !== "unusable";
}

/** Better standing, then higher preference, then lower cost; the order of the configuration decides the rest. */
function compare(left: PathState, right: PathState, standings: Standings): number {
  return rank(left, standings) - rank(right, standings) || compareWishes(left, right);
}

function compareWishes(left: PathState, right: PathState): number {
  return right.config.preference - left.config.preference || (left.config.cost ?? 0) - (right.config.cost ?? 0);
}

function choose(
  standings: Standings,
  active: PathState | undefined,
  state: PathsState,
  now: PathsNow,
  settings: PathSettings,
): { path: PathState | undefined; why: string } {
  const usable = state.paths.filter((path) => isUsable(path, standings)).toSorted((a, b) => compare(a, b, standings));
  const best = usable[0];
  if (best === undefined) return { path: undefined, why: "no path has a session" };
  if (active === undefined) return { path: best, why: "it is the best path that works" };
  const activeRank = rank(active, standings);
  if (activeRank >= STANDINGS.indexOf("brown-out")) {
    // Equally bad paths are not better for being others.
    if (rank(best, standings) >= activeRank) return { path: isUsable(active, standings) ? active : best, why: "" };
    const standby = usable.find((path) => path.config.name === state.standby);
    const refuge = standby !== undefined && rank(standby, standings) === rank(best, standings) ? standby : best;
    return { path: refuge, why: "" };
  }
  const rival = usable.find(
    (path) => compare(path, active, standings) < 0 && promotableAtMs(path, state, settings) <= now.nowMs,
  );
  if (rival === undefined) return { path: active, why: "" };
  const reason =
    rank(rival, standings) < activeRank
      ? `${active.config.name} is ${standings.get(active.config.name)}, ${rival.config.name}`
      : "it is preferred and";
  return {
    path: rival,
    why: `${reason} was sound for ${formatSeconds(now.nowMs - (rival.soundSinceMs ?? now.nowMs))}`,
  };
}

function promotableAtMs(path: PathState, state: PathsState, settings: PathSettings): number {
  if (path.soundSinceMs === undefined) return Number.POSITIVE_INFINITY;
  // At start the sessions open in any order; while nothing has failed yet, nothing has to prove itself.
  if (state.paths.every(({ flaps }) => flaps.penalty === 0)) return path.soundSinceMs;
  return Math.max(path.soundSinceMs, state.activeSinceMs) + settings.holdDownMs;
}

function bestStandby(paths: readonly PathState[], standings: Standings, active: PathState): PathState | undefined {
  return paths
    .filter((path) => path !== active && isUsable(path, standings))
    .toSorted(
      (a, b) =>
        rank(a, standings) - rank(b, standings) ||
        Number(areDisjoint(active, b)) - Number(areDisjoint(active, a)) ||
        compareWishes(a, b),
    )[0];
}

function areDisjoint(left: PathState, right: PathState): boolean {
  const groups = left.config.riskGroups ?? [];
  return !(right.config.riskGroups ?? []).some((group) => groups.includes(group));
}

function explainSwitch(from: PathState | undefined, to: PathState | undefined, why: string): PathSwitch {
  const fault = from === undefined ? "" : faultOf(from);
  const text = fault === "" ? why : `${from!.config.name}: ${fault}`;
  const detected = from?.liveness === "down" ? from.detectedInMs : undefined;
  return {
    from: from?.config.name,
    to: to?.config.name,
    why: text,
    ...(detected === undefined ? {} : { detectedInMs: detected }),
  };
}

/** What speaks against a path as a sentence part, or "" when nothing does. */
function faultOf(path: PathState): string {
  if (path.liveness === "down") return `down, ${path.livenessWhy}`;
  if (!path.sessionOpen) return `no session, ${path.sessionWhy}`;
  return path.brownOutUntilMs === 0 ? "" : `alive but losing, ${path.brownOutWhy}`;
}

function describe(path: PathState, standing: Standing, now: PathsNow, settings: PathSettings): string {
  switch (standing) {
    case "unusable":
      return faultOf(path);
    case "doubtful":
      return `${faultOf(path)}; its session is still open`;
    case "brown-out":
      return `${faultOf(path)}; tried again in ${formatSeconds(path.brownOutUntilMs - now.nowMs)}`;
    case "suppressed": {
      const penalty = Math.round(penaltyAt(path.flaps, now.nowMs, settings.flaps));
      const left = formatSeconds(reuseAtMs(path.flaps, settings.flaps) - now.nowMs);
      return `failed too often, penalty ${penalty}; held back for ${left}`;
    }
    case "over-budget":
      return "the month's budget is used up; alarms only";
    case "healthy": {
      if (path.liveness === "up") return "up";
      const age = path.lastReceiptMs === undefined ? undefined : now.nowMs - path.lastReceiptMs;
      const session =
        age !== undefined && age <= settings.receiptFreshMs ? "receipts arrive" : "session open and ready";
      return `${session} (${path.livenessWhy})`;
    }
  }
}

function formatSeconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}

function wakeAt(state: PathsState, now: PathsNow, settings: PathSettings): number | undefined {
  let wakeAtMs: number | undefined;
  const consider = (atMs: number) => {
    if (atMs > now.nowMs && atMs < (wakeAtMs ?? Number.POSITIVE_INFINITY)) wakeAtMs = atMs;
  };
  for (const path of state.paths) {
    if (path.brownOutUntilMs !== 0) consider(path.brownOutUntilMs);
    if (path.flaps.suppressed) consider(reuseAtMs(path.flaps, settings.flaps));
    if (path.config.name !== state.active && path.soundSinceMs !== undefined)
      consider(promotableAtMs(path, state, settings));
  }
  return wakeAtMs;
}
