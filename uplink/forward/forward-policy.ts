import { contains, union } from "@paddock/base/ranges.ts";
import {
  applyEnrolFailed,
  applyEnrolment,
  applyFailure,
  isBlocked,
  isChainFault,
  refuseChain,
  stopChain,
} from "./collector-answers.ts";
import {
  abortFlight,
  backOffSession,
  chainOf,
  closeSession,
  decide,
  draftOf,
  noteTrouble,
  patchChain,
  patchSession,
  report,
  stateOf,
  type Draft,
} from "./forward-draft.ts";
import { mayUpload, openAtMs, openSessions, plan } from "./forward-plan.ts";
import type { Flight, ForwardAction, ForwardEvent, ForwardInput, ForwardState } from "./forward-state.ts";
import { creditAfter, gatherMs } from "./lane-scheduler.ts";
import type { ChainName, LinkFailure } from "./ports.ts";
import { watchdogWakeAtMs, watchProgress } from "./progress-watchdog.ts";
import { afterFailure, RESTED } from "./retry-schedule.ts";
import { endSilence, silenceWakeAtMs, watchSilence } from "./silence-watch.ts";

export interface ForwardStep {
  readonly state: ForwardState;
  readonly actions: readonly ForwardAction[];
}

/** Seqs sealed within this time share one mark. */
const MARK_STEP_MS = 100;
/** A session that lived this long fell for a reason of its own, so its back-off starts over. */
const SETTLED_SESSION_MS = 60_000;
/** The same where the collector ends it in order, as an ingress does with an idle one. */
const IDLE_SESSION_MS = 5000;
/** Successors for nothing that are opened at once: an ingress may be told twice to load its configuration again. */
const SUCCESSORS_AT_ONCE = 3;
/** A successor that is not open by then leaves the path without a session, and traffic moves. */
const SUCCESSION_LIMIT_MS = 2000;
/** How long a chain waits after its receipt could not be made durable. */
const STORE_TROUBLE_MS = 1000;

/**
 * The forwarder's decisions: one event in, the next state and what to do about it out. Pure but for the jitter, which
 * comes from `input.random`.
 */
export function advanceForward(state: ForwardState, event: ForwardEvent, input: ForwardInput): ForwardStep {
  const draft = draftOf(state, input);
  if (draft.paths.wakeAtMs !== undefined && input.nowMs >= draft.paths.wakeAtMs) decide(draft, { kind: "time" });
  apply(draft, event);
  watchSuccession(draft);
  watchSilence(draft);
  watchProgress(draft);
  openSessions(draft);
  plan(draft);
  scheduleWake(draft);
  return { state: stateOf(draft), actions: draft.actions };
}

function apply(draft: Draft, event: ForwardEvent): void {
  const { nowMs } = draft.input;
  switch (event.kind) {
    case "start":
      return decide(draft, { kind: "time" });
    case "tick":
      return;
    case "stop":
      draft.stopping = true;
      return;
    case "sealed":
      return markSealed(draft, event, event.seq);
    case "liveness":
      return applyLiveness(draft, event);
    case "configured":
      decide(draft, { kind: "configured", config: event.config });
      patchSession(draft, event.config.name, { retry: RESTED, retryAtMs: nowMs });
      return closeSession(draft, event.config.name, "the path's configuration changed", nowMs);
    case "opened":
      patchSession(draft, event.path, {
        ...(draft.sessions.get(event.path)!.trouble?.of === "session" ? { trouble: undefined } : {}),
        status: "open",
        openedAtMs: nowMs,
        sendAfterMs: 0,
        sendRetry: RESTED,
        baseMs: event.handshakeMs,
        lengthMs: event.handshakeMs / 2,
        usualMs: event.handshakeMs / 2,
        answers: 0,
        answeredMs: nowMs,
        silence: { ms: 0, atMs: nowMs },
        trial: undefined,
        succession: undefined,
        rttMs: event.handshakeMs / 2,
      });
      report(draft, { event: "session-open", path: event.path, handshakeMs: event.handshakeMs });
      return decide(draft, { kind: "session-open", path: event.path });
    case "open-failed":
      return applyOpenFailed(draft, event.path, event.failure, event.detail);
    case "retiring":
      return applyRetiring(draft, event.path, event.detail);
    case "closed":
      return applyClosed(draft, event.path, event.detail);
    case "read":
      return withFlight(draft, event.flight, (flight) => applyRead(draft, flight, event));
    case "unreadable":
      return withFlight(draft, event.flight, (flight) => applyUnreadable(draft, flight, event.detail));
    case "delivered":
      return withFlight(draft, event.flight, (flight) => applyDelivered(draft, flight));
    case "settled":
      return withFlight(draft, event.flight, (flight) => {
        draft.flights.delete(flight.id);
        if (event.failure !== undefined) stopChain(draft, flight, "not-durable", event.failure, STORE_TROUBLE_MS);
      });
    case "failed":
      return withFlight(draft, event.flight, (flight) => {
        draft.flights.delete(flight.id);
        if (isAnswer(event.failure)) endSilence(draft, flight.path);
        if (isChainFault(event.failure)) refuseChain(draft, flight, flight.path, event.failure, event.detail);
        else applyFailure(draft, flight.path, event.failure, event.detail, event.retryAfterMs, flight.sentMs);
      });
    case "answered":
      patchChain(draft, event, { resume: "done" });
      return applyAnswer(draft, event.path);
    case "query-failed": {
      // Without an answer the batches go out again; that is safe, as the collector compares what it holds.
      if (isAnswer(event.failure)) endSilence(draft, event.path);
      const askedAtMs = askedAt(draft, event);
      const again = event.failure === "busy" || event.failure === "not-enrolled" || event.failure === "identity";
      patchChain(draft, event, { resume: again ? "due" : "done" });
      if (isChainFault(event.failure)) decide(draft, { kind: "answer", path: event.path, receipt: false });
      else applyFailure(draft, event.path, event.failure, event.detail, event.retryAfterMs, askedAtMs);
      return;
    }
    case "enrolled":
      decide(draft, { kind: "answer", path: event.path, receipt: false });
      draft.collector = { ...draft.collector, claimNotTaken: event.claimNotTaken };
      return applyEnrolment(draft, event.state, event.claimNotTaken ? "the claim code was not taken" : "");
    case "enrol-failed":
      return applyEnrolFailed(draft, event.path, event.failure, event.detail, event.retryAfterMs);
    case "loss":
    case "used":
      return decide(draft, event);
  }
}

/** Whether the collector has spoken, whatever it said. */
function isAnswer(failure: LinkFailure): boolean {
  return failure !== "unreachable" && failure !== "not-processed" && failure !== "identity";
}

/** When the question that failed was asked; now when nobody waits for its answer any more. */
function askedAt(draft: Draft, { path, lane, epoch }: ChainName & { readonly path: string }): number {
  const { asked, resume } = chainOf(draft, { lane, epoch });
  if (resume === "asking" && asked?.path === path) return asked.atMs;
  const trials = [...draft.sessions.values()].flatMap(({ trial }) => (trial?.path === path ? [trial.atMs] : []));
  return trials[0] ?? draft.input.nowMs;
}

/** Runs `then` unless the flight was forgotten meanwhile. */
function withFlight(draft: Draft, id: number, then: (flight: Flight) => void): void {
  const flight = draft.flights.get(id);
  if (flight !== undefined) then(flight);
}

function markSealed(draft: Draft, chain: ChainName, seq: number): void {
  const { nowMs, settings } = draft.input;
  const known = chainOf(draft, chain).marks;
  const newest = known.at(-1);
  if (newest !== undefined && nowMs - newest.atMs < MARK_STEP_MS) return;
  const marks = known.filter((mark) => mark.atMs >= nowMs - settings.liveWindowMs);
  patchChain(draft, chain, { marks: [...marks, { seq, atMs: nowMs }] });
}

function applyLiveness(draft: Draft, event: Extract<ForwardEvent, { kind: "liveness" }>): void {
  const { nowMs } = draft.input;
  const before = draft.paths.paths.find((path) => path.config.name === event.path)?.liveness;
  if (before === undefined) return;
  // Also when only the reason is another one: it is what people read.
  decide(draft, event);
  if (before === event.liveness) return;
  const { status } = draft.sessions.get(event.path)!;
  const active = draft.paths.active === event.path;
  if (event.liveness === "down" && !active && status === "open") {
    const delayMs = backOffSession(draft, event.path, false);
    closeSession(draft, event.path, "its path went down", nowMs + delayMs);
  }
  if (event.liveness === "up") {
    // What was tried while the path was down sits in a TCP back-off of its own.
    if (before === "down" && !active) closeSession(draft, event.path, "opened anew as its path came up", nowMs);
    patchSession(draft, event.path, { retry: RESTED, retryAtMs: nowMs });
  }
}

/** The next session is opened before this one has ended, and nothing is held against the path. */
function applyRetiring(draft: Draft, path: string, detail: string): void {
  const { nowMs, settings, random } = draft.input;
  const { status, succession, openedAtMs, ended: before } = draft.sessions.get(path)!;
  if (status !== "open" || succession !== undefined) return;
  // Any answer rests the back-off, and so does an idle life of some length: only sessions for nothing wait. What it took
  // to open this one is another matter.
  const rested = nowMs - openedAtMs > IDLE_SESSION_MS;
  const ended = afterFailure(rested ? RESTED : before, settings.sessionRetry, random);
  const retryAtMs = ended.attempts <= SUCCESSORS_AT_ONCE ? nowMs : nowMs + ended.delayMs;
  patchSession(draft, path, { ended, retryAtMs, succession: { step: "due", sinceMs: nowMs } });
  report(draft, { event: "session-retiring", path, detail });
}

function watchSuccession(draft: Draft): void {
  const { nowMs } = draft.input;
  for (const [path, { status, succession }] of draft.sessions) {
    if (status !== "open" || succession === undefined || nowMs < succession.sinceMs + SUCCESSION_LIMIT_MS) continue;
    patchSession(draft, path, { status: succession.step === "opening" ? "opening" : "closed", succession: undefined });
    decide(draft, { kind: "session-lost", path, why: "the next session does not open", harmless: true });
  }
}

function applyOpenFailed(draft: Draft, path: string, failure: LinkFailure, detail: string): void {
  const harmless = draft.sessions.get(path)!.succession !== undefined;
  patchSession(draft, path, { status: "closed", lastError: detail, succession: undefined });
  const retryInMs = backOffSession(draft, path, failure === "identity");
  report(draft, { event: "session-failed", path, failure, detail, retryInMs });
  noteTrouble(draft, path, "session", detail);
  decide(draft, { kind: "session-lost", path, why: detail, harmless });
}

function applyClosed(draft: Draft, path: string, detail: string): void {
  const { nowMs } = draft.input;
  const { openedAtMs, succession, retryAtMs } = draft.sessions.get(path)!;
  const settled = nowMs - openedAtMs > SETTLED_SESSION_MS;
  const rested = settled ? { retry: RESTED } : {};
  patchSession(draft, path, { status: "closed", lastError: detail, succession: undefined, ...rested });
  let retryInMs: number;
  if (succession === undefined) retryInMs = backOffSession(draft, path, false);
  else {
    // When its successor is due has been decided as it said that it ends.
    retryInMs = Math.max(0, retryAtMs - nowMs);
    patchSession(draft, path, { hurryAtMs: retryAtMs });
  }
  report(draft, { event: "session-lost", path, detail, retryInMs });
  const harmless =
    succession !== undefined ||
    ![...draft.flights.values()].some((flight) => flight.path === path && flight.stage !== "delivered");
  decide(draft, { kind: "session-lost", path, why: detail, harmless });
}

function applyRead(draft: Draft, flight: Flight, event: Extract<ForwardEvent, { kind: "read" }>): void {
  const { nowMs, settings } = draft.input;
  const { last, bytes, records } = event;
  draft.flights.set(flight.id, { ...flight, stage: "sent", last, bytes, records, sentMs: nowMs });
  if (flight.copy || flight.lane === 0) return;
  const cap = 2 * settings.requestBytesMax;
  draft.backlogCredit = creditAfter(draft.backlogCredit, flight.kind, bytes, settings.backfillShare, cap);
}

function applyUnreadable(draft: Draft, flight: Flight, detail: string): void {
  const { nowMs, settings, random } = draft.input;
  const { lane, epoch, first: seq } = flight;
  abortFlight(draft, flight);
  // A receipt for it may have come first, by a second copy or an answer to a question.
  const stored = draft.input.backlog().find((chain) => chain.lane === lane && chain.epoch === epoch);
  if (stored === undefined || !contains(stored.pending, seq)) return;
  const chain = chainOf(draft, flight);
  const unreadable = union(chain.unreadable, [[seq, seq]]);
  if (nowMs < chain.unreadableUntilMs) return void patchChain(draft, flight, { unreadable });
  // Only the first of a damaged stretch is reported, and only that starts the time.
  const retryInMs = afterFailure(RESTED, settings.chainRetry, random).delayMs;
  patchChain(draft, flight, { unreadable: [[seq, seq]], unreadableUntilMs: nowMs + retryInMs });
  report(draft, { event: "batch-unreadable", lane, epoch, seq, detail, retryInMs });
}

function applyDelivered(draft: Draft, flight: Flight): void {
  const { nowMs, settings } = draft.input;
  draft.flights.set(flight.id, { ...flight, stage: "delivered" });
  // What was on its way when the chain stopped proves nothing about the batch that stopped it.
  const { stoppedWhy: stoppedBefore, gatherUntilMs } = chainOf(draft, flight);
  const stoppedWhy = isBlocked(draft, flight) ? stoppedBefore : undefined;
  if (stoppedBefore !== stoppedWhy) {
    report(draft, { event: "chain-resumed", lane: flight.lane, epoch: flight.epoch });
  }
  patchChain(draft, flight, {
    resume: "done",
    stoppedWhy,
    stallLevel: 0,
    progressMs: nowMs,
    gatherUntilMs: { ...gatherUntilMs, [flight.kind]: flight.sentMs + gatherMs(flight.bytes) },
    ...(stoppedWhy === undefined ? { retry: RESTED } : {}),
  });
  const session = draft.sessions.get(flight.path)!;
  const tookMs = nowMs - flight.sentMs;
  const baseMs = tookMs < session.baseMs ? tookMs : session.baseMs + (tookMs - session.baseMs) * 0.01;
  const lengthMs = Math.min(session.lengthMs, tookMs);
  const excessMs = tookMs - baseMs;
  let { rttMs, requestBytes } = session;
  if (flight.bytes <= settings.smallBytes) rttMs += (tookMs - rttMs) / 8;
  const targetMs = Math.max(settings.requestTargetMs, lengthMs * settings.requestTargetTrips);
  // The first small request on a path that traffic moved to has shown that it works.
  if (session.unproven) requestBytes = Math.min(settings.requestBytesMax, 4 * requestBytes);
  if (excessMs > 2 * targetMs) requestBytes = Math.max(settings.requestBytesMin, requestBytes / 2);
  else if (excessMs < targetMs && flight.bytes >= requestBytes / 2) {
    requestBytes = Math.min(settings.requestBytesMax, requestBytes * 2);
  }
  patchSession(draft, flight.path, { baseMs, lengthMs, rttMs, requestBytes });
  applyAnswer(draft, flight.path, tookMs);
}

/** A receipt came over this path, so it, its session and the collector are well. */
function applyAnswer(draft: Draft, path: string, tookMs?: number): void {
  patchSession(draft, path, {
    retry: RESTED,
    ended: RESTED,
    sendAfterMs: 0,
    sendRetry: RESTED,
    unproven: false,
    lastError: undefined,
    trouble: undefined,
  });
  draft.collector = { ...draft.collector, busyRetry: RESTED, enrolRetry: RESTED };
  decide(draft, { kind: "answer", path, receipt: true });
  endSilence(draft, path, tookMs);
}

function scheduleWake(draft: Draft): void {
  const { nowMs } = draft.input;
  let earliestMs = Number.POSITIVE_INFINITY;
  const consider = (atMs = Number.POSITIVE_INFINITY) => {
    if (atMs > nowMs) earliestMs = Math.min(earliestMs, atMs);
  };
  if (!draft.stopping) {
    for (const session of draft.sessions.values()) {
      if (session.status === "closed") consider(openAtMs(draft, session));
      else consider(session.sendAfterMs);
      if (session.succession === undefined) continue;
      if (session.succession.step === "due") consider(session.retryAtMs);
      consider(session.succession.sinceMs + SUCCESSION_LIMIT_MS);
    }
    for (const chain of draft.chains.values()) {
      consider(chain.blockedUntilMs);
      consider(chain.unreadableUntilMs);
    }
    consider(draft.collector.busyUntilMs);
    if (!mayUpload(draft)) consider(draft.collector.enrolAtMs);
  }
  consider(draft.paths.wakeAtMs);
  consider(draft.paceAtMs);
  consider(watchdogWakeAtMs(draft));
  consider(silenceWakeAtMs(draft));
  const wakeAtMs = earliestMs === Number.POSITIVE_INFINITY ? undefined : earliestMs;
  if (wakeAtMs === draft.wakeAtMs) return;
  draft.wakeAtMs = wakeAtMs;
  draft.actions.push({ kind: "wake", atMs: wakeAtMs });
}
