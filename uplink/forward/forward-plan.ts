import { subtract, union, type Range, type Ranges } from "@paddock/base/ranges.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { admittedLanes } from "../paths/metered-budget.ts";
import { chainOf, patchChain, patchSession, type Draft } from "./forward-draft.ts";
import { chainNumber, type ChainState, type Flight } from "./forward-state.ts";
import { chooseNext, knowsLive, type ChainView, type Choice, type Room } from "./lane-scheduler.ts";
import type { ChainBacklog } from "./ports.ts";

const ALL_LANES: readonly Lane[] = [0, 1, 2];

/** Opens every session whose time has come: all paths are kept warm, whether they carry traffic or not. */
export function openSessions(draft: Draft): void {
  if (draft.stopping) return;
  for (const [path, session] of draft.sessions) {
    if (session.status !== "closed" || draft.input.nowMs < session.retryAtMs) continue;
    patchSession(draft, path, { status: "opening" });
    draft.actions.push({ kind: "open", path });
  }
}

/** Starts whatever may be started now: enrolment, questions for receipts, uploads. */
export function plan(draft: Draft): void {
  const { nowMs } = draft.input;
  const { active, standby } = draft.paths;
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
  const others = ALL_LANES.filter((lane) => !admitted.includes(lane));
  const standing = standby === undefined ? undefined : draft.paths.standings.get(standby);
  // A path that is held back for its past works, and lanes that nobody else takes would wait.
  const works = standing === "healthy" || standing === "suppressed";
  if (others.length > 0 && standby !== undefined && works) sendOver(draft, standby, others);
}

function sendOver(draft: Draft, path: string, lanes: readonly Lane[], copy = false): void {
  const { nowMs, settings } = draft.input;
  if (nowMs < draft.sessions.get(path)!.sendAfterMs || roomOn(draft, path).requests <= 0) return;
  const backlog = draft.input.backlog().filter((chain) => lanes.includes(chain.lane));
  askReceipts(draft, path, backlog);
  for (;;) {
    const choice = chooseNext(chainViews(draft, path, backlog), roomOn(draft, path), settings.order);
    if (choice === undefined) return;
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

function chainViews(draft: Draft, path: string, backlog: readonly ChainBacklog[]): ChainView[] {
  const claims = new Map<number, { ranges: Range[]; live: number; backlog: number }>();
  const alarmTwice = draft.paths.alarmAlso !== undefined;
  for (const flight of draft.flights.values()) {
    // With two paths for alarms neither waits for what is stuck on the other.
    const each = alarmTwice && flight.lane === 0;
    if (each && flight.path !== path) continue;
    const key = chainNumber(flight);
    let claim = claims.get(key);
    if (claim === undefined) claims.set(key, (claim = { ranges: [], live: 0, backlog: 0 }));
    claim.ranges.push([flight.first, flight.last]);
    if (flight.stage !== "delivered" && (each || !flight.copy)) claim[flight.kind]++;
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
      inFlight: { live: claim?.live ?? 0, backlog: claim?.backlog ?? 0 },
      backlogHeld: state.resume !== "done",
    });
  }
  return views;
}

/** Requests and bytes that still fit on a path. */
export function roomOn(draft: Draft, path: string): Room {
  const { settings } = draft.input;
  const session = draft.sessions.get(path)!;
  let requests = 0;
  let bytes = 0;
  let others = 0;
  let backlog = 0;
  for (const flight of draft.flights.values()) {
    if (flight.path !== path || flight.stage === "delivered") continue;
    requests++;
    bytes += flight.bytes;
    if (flight.lane === 0) continue;
    others++;
    if (flight.kind === "backlog") backlog++;
  }
  const fits = requests === 0 || bytes + session.requestBytes <= settings.bytesInFlight;
  const ceiling = Math.max(1, Math.floor(settings.requestsInFlight * settings.backfillCeiling));
  const { config, usage } = draft.paths.paths.find((candidate) => candidate.config.name === path)!;
  return {
    requests: fits ? settings.requestsInFlight - requests : 0,
    // An alarm waits for nobody's answer.
    otherRequests: (session.unproven ? 1 : settings.requestsInFlight) - others,
    backlogRequests: ceiling - backlog,
    requestBytes: session.requestBytes,
    pipelineDepth: Math.min(settings.requestsInFlight, 1 + Math.floor(session.rttMs / settings.pipelineStepMs)),
    lanes: admittedLanes(config.metered, usage),
    backlogCredit: draft.backlogCredit,
  };
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
