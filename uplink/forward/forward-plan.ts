import { subtract, union, type Range, type Ranges } from "@paddock/base/ranges.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { admittedLanes } from "../paths/metered-budget.ts";
import { STANDINGS } from "../paths/path-state.ts";
import { chainOf, patchChain, patchSession, type Draft } from "./forward-draft.ts";
import { chainNumber, type ChainState, type Flight, type ForwardSettings, type SessionState } from "./forward-state.ts";
import {
  chooseNext,
  gatherMs,
  knowsLive,
  nextPaceMs,
  type ChainView,
  type Choice,
  type Room,
  type SendKind,
} from "./lane-scheduler.ts";
import type { ChainBacklog } from "./ports.ts";

const ALL_LANES: readonly Lane[] = [0, 1, 2];

/** Opens every session whose time has come: all paths are kept warm, whether they carry traffic or not. */
export function openSessions(draft: Draft): void {
  if (draft.stopping) return;
  const { nowMs } = draft.input;
  for (const [path, session] of draft.sessions) {
    const { succession } = session;
    if (succession?.step === "due" && nowMs >= session.retryAtMs) {
      patchSession(draft, path, { succession: { ...succession, step: "opening" } });
      draft.actions.push({ kind: "open", path, hurry: true });
    }
    if (session.status !== "closed" || nowMs < openAtMs(draft, session)) continue;
    patchSession(draft, path, { status: "opening" });
    draft.actions.push({ kind: "open", path, hurry: hurries(draft) });
  }
}

/** When a closed session is opened again. */
export function openAtMs(draft: Draft, { retryAtMs, hurryAtMs }: SessionState): number {
  return hurryAtMs < retryAtMs && hurries(draft) ? hurryAtMs : retryAtMs;
}

/** Whether something waits that no path takes now. */
function hurries(draft: Draft): boolean {
  const open = draft.paths.paths.filter(({ config }) => draft.paths.standings.get(config.name) !== "unusable");
  const taken = new Set(open.flatMap(({ config, usage }) => admittedLanes(config.metered, usage)));
  return draft.input.backlog().some(({ lane, pending }) => pending.length > 0 && !taken.has(lane));
}

/** Starts whatever may be started now: enrolment, questions for receipts, uploads. */
export function plan(draft: Draft): void {
  const { nowMs } = draft.input;
  const { active } = draft.paths;
  if (draft.stopping || active === undefined || nowMs < draft.collector.busyUntilMs) return;
  if (!mayUpload(draft)) {
    askEnrolment(draft, active);
    return;
  }
  const admitted = roomOn(draft, active).lanes;
  sendOver(draft, active, admitted);
  const { alarmAlso } = draft.paths;
  if (alarmAlso !== undefined) sendOver(draft, alarmAlso, [0], true);
  // What a metered path does not take may use the next one.
  let others = ALL_LANES.filter((lane) => !admitted.includes(lane));
  for (const path of others.length === 0 ? [] : workingPaths(draft)) {
    const taken = roomOn(draft, path).lanes.filter((lane) => others.includes(lane));
    if (taken.length > 0) sendOver(draft, path, taken);
    others = others.filter((lane) => !taken.includes(lane));
  }
}

/**
 * The paths that work, the best first: the standby goes before all others, and the active one takes nothing of what it
 * does not admit. One that is held back for its past is among them: lanes would wait.
 */
function workingPaths(draft: Draft): string[] {
  const { paths, standby, standings } = draft.paths;
  const worth = (name: string) => (name === standby ? -1 : STANDINGS.indexOf(standings.get(name)!));
  return paths
    .map(({ config }) => config.name)
    .filter((name) => STANDINGS.indexOf(standings.get(name)!) <= STANDINGS.indexOf("suppressed"))
    .toSorted((a, b) => worth(a) - worth(b));
}

function sendOver(draft: Draft, path: string, lanes: readonly Lane[], copy = false): void {
  const { nowMs, settings } = draft.input;
  const { sendAfterMs, succession } = draft.sessions.get(path)!;
  if (nowMs < sendAfterMs || succession !== undefined || roomOn(draft, path).requests <= 0) return;
  const backlog = draft.input.backlog().filter((chain) => lanes.includes(chain.lane));
  askReceipts(draft, path, backlog);
  for (;;) {
    const [views, room] = [chainViews(draft, path, backlog), roomOn(draft, path)];
    const choice = chooseNext(views, room, settings.order);
    if (choice === undefined) {
      const paceAtMs = nextPaceMs(views, room);
      if (paceAtMs !== undefined) draft.paceAtMs = Math.min(draft.paceAtMs ?? paceAtMs, paceAtMs);
      return;
    }
    const sizes = backlog.find((chain) => chain.lane === choice.lane && chain.epoch === choice.epoch)!;
    launch(draft, choice, path, meanBytes(sizes), copy);
  }
}

export function mayUpload(draft: Draft): boolean {
  return draft.collector.enrolment === "approved" || draft.collector.enrolment === "assumed";
}

function askEnrolment(draft: Draft, path: string): void {
  if (draft.collector.enrolAsking || draft.input.nowMs < draft.collector.enrolAtMs) return;
  draft.collector = { ...draft.collector, enrolAsking: true };
  draft.actions.push({ kind: "enrol", path });
}

function askReceipts(draft: Draft, path: string, backlog: readonly ChainBacklog[]): void {
  const { nowMs, settings } = draft.input;
  for (const chain of backlog) {
    const state = chainOf(draft, chain);
    const oldest = chain.pending[0]?.[0];
    if (state.resume !== "due" || oldest === undefined || nowMs < state.blockedUntilMs) continue;
    if (knowsLive(chain.lane, settings.order) && oldest >= liveFrom(state, draft)) continue;
    patchChain(draft, chain, { resume: "asking", asked: { path, atMs: nowMs } });
    draft.actions.push({ kind: "query", path, lane: chain.lane, epoch: chain.epoch });
  }
}

function liveFrom(chain: ChainState, draft: Draft): number {
  const since = draft.input.nowMs - draft.input.settings.liveWindowMs;
  return chain.marks.find((mark) => mark.atMs >= since)?.seq ?? Number.POSITIVE_INFINITY;
}

function meanBytes(chain: ChainBacklog): number {
  let count = 0;
  for (const [first, last] of chain.pending) count += last - first + 1;
  return Math.max(1, chain.bytes / Math.max(1, count));
}

/** What of a chain is on its way. */
interface Claim {
  readonly ranges: Range[];
  readonly inFlight: Record<SendKind, number>;
  readonly sentMs: Record<SendKind, number>;
  readonly gatherUntilMs: Record<SendKind, number>;
}

const NONE = { live: 0, backlog: 0 };

function chainViews(draft: Draft, path: string, backlog: readonly ChainBacklog[]): ChainView[] {
  const claims = new Map<number, Claim>();
  const alarmTwice = draft.paths.alarmAlso !== undefined;
  for (const flight of draft.flights.values()) {
    // With two paths for alarms neither waits for what is stuck on the other.
    const each = alarmTwice && flight.lane === 0;
    if (each && flight.path !== path) continue;
    const key = chainNumber(flight);
    let claim = claims.get(key);
    if (claim === undefined) {
      const { gatherUntilMs } = chainOf(draft, flight);
      claim = { ranges: [], inFlight: { ...NONE }, sentMs: { ...NONE }, gatherUntilMs: { ...gatherUntilMs } };
      claims.set(key, claim);
    }
    claim.ranges.push([flight.first, flight.last]);
    if (flight.stage === "delivered" || (flight.copy && !each)) continue;
    claim.inFlight[flight.kind]++;
    claim.sentMs[flight.kind] = Math.max(claim.sentMs[flight.kind], flight.sentMs);
    const gathersMs = flight.sentMs + gatherMs(flight.bytes);
    claim.gatherUntilMs[flight.kind] = Math.max(claim.gatherUntilMs[flight.kind], gathersMs);
  }
  const views: ChainView[] = [];
  for (const chain of backlog) {
    const state = chainOf(draft, chain);
    if (draft.input.nowMs < state.blockedUntilMs) continue;
    const claim = claims.get(chainNumber(chain));
    const passedOver = draft.input.nowMs < state.unreadableUntilMs ? state.unreadable : [];
    const taken: Ranges = union(claim?.ranges ?? [], passedOver);
    views.push({
      lane: chain.lane,
      epoch: chain.epoch,
      sendable: subtract(chain.pending, taken),
      liveFrom: liveFrom(state, draft),
      bytesPerBatch: meanBytes(chain),
      inFlight: claim?.inFlight ?? NONE,
      sentMs: claim?.sentMs ?? NONE,
      gatherUntilMs: claim?.gatherUntilMs ?? state.gatherUntilMs,
      backlogHeld: state.resume !== "done",
    });
  }
  return views;
}

/** Requests and bytes that still fit on a path. */
export function roomOn(draft: Draft, path: string): Room {
  const { settings } = draft.input;
  const session = draft.sessions.get(path)!;
  const all = { requests: 0, bytes: 0 };
  const others = { requests: 0, bytes: 0 };
  const backlog = { requests: 0, bytes: 0 };
  for (const flight of draft.flights.values()) {
    if (flight.path !== path || flight.stage === "delivered") continue;
    for (const sum of flight.lane === 0 ? [all] : flight.kind === "live" ? [all, others] : [all, others, backlog]) {
      sum.requests++;
      sum.bytes += flight.bytes;
    }
  }
  const fits = (sum: typeof all, requests: number, bytes: number) =>
    sum.requests === 0 || sum.bytes + session.requestBytes <= bytes ? Math.max(0, requests - sum.requests) : 0;
  const share = settings.backfillCeiling;
  // An alarm waits for nobody's answer: up to half of the requests, the next one is always its own.
  const most = requestsMost(session, settings);
  const half = Math.max(1, Math.floor(most / 2));
  const ofAlarms = Math.min(half, all.requests - others.requests + 1);
  const otherRequests = session.unproven ? 1 : Math.max(1, most - ofAlarms);
  const window = windowBytes(session, settings);
  const pipelineDepth = depthOf(session, settings);
  const { config, usage } = draft.paths.paths.find((candidate) => candidate.config.name === path)!;
  return {
    requests: fits(all, most, settings.bytesInFlight),
    otherRequests: fits(others, otherRequests, window),
    backlogRequests: fits(backlog, Math.max(1, Math.floor(otherRequests * share)), window * share),
    requestBytes: session.requestBytes,
    pipelineDepth,
    // Alarms at any rate leave as much to the others.
    alarmDepth: Math.min(pipelineDepth, half),
    rttMs: session.rttMs,
    nowMs: draft.input.nowMs,
    lanes: admittedLanes(config.metered, usage),
    backlogCredit: draft.backlogCredit,
  };
}

/** Most bytes that other lanes than alarm may have in flight: what a slow path has to pass before the next alarm. */
function windowBytes({ requestBytes, lengthMs }: SessionState, settings: ForwardSettings): number {
  const isFast = requestBytes >= settings.requestBytesMax && lengthMs >= settings.longPathMs;
  return isFast ? settings.bytesInFlight : Math.min(settings.bytesInFlight, settings.windowRequests * requestBytes);
}

/** On a path whose round trip is far longer than the path, more requests would only wait on it instead of here. */
function requestsMost({ rttMs, lengthMs, requestBytes }: SessionState, settings: ForwardSettings): number {
  const isBusy = requestBytes < settings.requestBytesMax && rttMs > 2 * lengthMs + settings.requestTargetMs;
  return isBusy ? Math.min(settings.windowRequests, settings.requestsInFlight) : settings.requestsInFlight;
}

/** Small requests of one chain that may be in flight together. */
function depthOf(session: SessionState, settings: ForwardSettings): number {
  const { rttMs, lengthMs } = session;
  const byLength = Math.min(requestsMost(session, settings) - 1, 1 + Math.floor(lengthMs / settings.pipelineStepMs));
  const bySpeed = Math.min(settings.windowRequests, 1 + Math.floor(rttMs / settings.busyStepMs));
  return Math.max(1, byLength, bySpeed);
}

function launch(draft: Draft, choice: Choice, path: string, bytesPerBatch: number, copy: boolean): void {
  const { requestBytes } = draft.sessions.get(path)!;
  const { lane, epoch, kind, first, last } = choice;
  const flight: Flight = {
    id: draft.nextFlight++,
    path,
    lane,
    epoch,
    kind,
    first,
    last,
    stage: "reading",
    bytes: Math.min(requestBytes, Math.ceil((last - first + 1) * bytesPerBatch)),
    records: 0,
    sentMs: draft.input.nowMs,
    copy,
  };
  draft.flights.set(flight.id, flight);
  if (!draft.chains.has(chainNumber(flight))) patchChain(draft, flight, {});
  draft.actions.push({ kind: "send", flight: flight.id, path, lane, epoch, first, last, maxBytes: requestBytes });
}
