import {
  backOffSession,
  chainOf,
  closeSession,
  decide,
  noteTrouble,
  patchChain,
  patchSession,
  report,
  type Draft,
} from "./forward-draft.ts";
import { mayUpload } from "./forward-plan.ts";
import type { CollectorState } from "./forward-state.ts";
import type { ChainName, EnrolmentState, LinkFailure } from "./ports.ts";
import { afterFailure } from "./retry-schedule.ts";

/** What the forwarding machine does about answers other than a receipt. */

/** Failures that are about a chain and say nothing against path or collector. */
export function isChainFault(failure: LinkFailure): boolean {
  return failure === "fork" || failure === "refused";
}

/** The collector does not take this chain: the others go on. */
export function refuseChain(draft: Draft, chain: ChainName, path: string, failure: LinkFailure, detail: string): void {
  const { settings, random } = draft.input;
  decide(draft, { kind: "answer", path, receipt: false });
  if (isBlocked(draft, chain)) return;
  const retry = afterFailure(chainOf(draft, chain).retry, settings.chainRetry, random);
  patchChain(draft, chain, { retry });
  stopChain(draft, chain, failure, detail, retry.delayMs);
}

/** Sends nothing of a chain for a while, and says so. */
export function stopChain(
  draft: Draft,
  chain: ChainName,
  failure: LinkFailure | "not-durable",
  detail: string,
  retryInMs: number,
): void {
  if (isBlocked(draft, chain)) return;
  const { lane, epoch } = chain;
  patchChain(draft, chain, { blockedUntilMs: draft.input.nowMs + retryInMs, stoppedWhy: detail });
  report(draft, { event: "chain-stopped", lane, epoch, failure, detail, retryInMs });
}

/** Whether the chain waits already; what else of it is on its way brings the same answer again. */
export function isBlocked(draft: Draft, chain: ChainName): boolean {
  return draft.input.nowMs < chainOf(draft, chain).blockedUntilMs;
}

/** A failure that is not about a chain; `sentMs` is when what failed left, by default now. */
export function applyFailure(
  draft: Draft,
  path: string,
  failure: LinkFailure,
  detail: string,
  retryAfterMs: number | undefined,
  sentMs = draft.input.nowMs,
): void {
  const { nowMs, settings, random } = draft.input;
  const session = draft.sessions.get(path)!;
  switch (failure) {
    case "unreachable": {
      if (session.status !== "open") return;
      // What left before the path last failed fails with it: requests that are reset together are one failure.
      if (sentMs < session.sendAfterMs) return;
      noteTrouble(draft, path, "requests", detail);
      const sendRetry = afterFailure(session.sendRetry, settings.sendRetry, random);
      // The first time at once: a reset stream says little about the next one.
      const sendAfterMs = sendRetry.attempts === 1 ? nowMs : nowMs + sendRetry.delayMs;
      patchSession(draft, path, { sendRetry, sendAfterMs, lastError: detail });
      decide(draft, { kind: "request-failed", path, why: detail });
      if (draft.paths.standings.get(path) === "brown-out" && draft.paths.active !== path) {
        closeSession(draft, path, "opened anew after failed requests", nowMs);
      }
      return;
    }
    case "not-processed": {
      // Nothing is held against a path on which the collector only asks to come again, unless it goes on asking: what
      // was on its way when it first did is no further word.
      if (sentMs < session.sendAfterMs) return;
      const sendRetry = afterFailure(session.sendRetry, settings.sendRetry, random);
      const sendAfterMs = sendRetry.attempts === 1 ? nowMs : nowMs + sendRetry.delayMs;
      patchSession(draft, path, { sendRetry, sendAfterMs });
      return;
    }
    case "identity":
    case "stripped": {
      patchSession(draft, path, { lastError: detail });
      noteTrouble(draft, path, "requests", detail);
      const retryInMs = backOffSession(draft, path, true);
      report(draft, { event: "session-failed", path, failure, detail, retryInMs });
      closeSession(draft, path, detail, nowMs + retryInMs);
      return;
    }
    case "busy": {
      decide(draft, { kind: "answer", path, receipt: false });
      if (nowMs < draft.collector.busyUntilMs) return;
      const busyRetry = afterFailure(draft.collector.busyRetry, settings.busyRetry, random);
      const retryInMs = retryAfterMs ?? busyRetry.delayMs;
      draft.collector = { ...draft.collector, busyRetry, busyUntilMs: nowMs + retryInMs };
      report(draft, { event: "collector-busy", detail, retryInMs });
      return;
    }
    case "not-enrolled":
      decide(draft, { kind: "answer", path, receipt: false });
      // Ask at once: it may be the first word that the collector hears of this gateway.
      if (mayUpload(draft)) applyEnrolment(draft, "pending", detail, draft.collector.enrolRetry.attempts === 0);
      return;
    case "fork":
    case "refused":
      throw new Error(`not a failure of the path: ${failure}`);
  }
}

/** Takes what is known of the enrolment; asks again later, or now with `askAtOnce`, until it is approved. */
export function applyEnrolment(
  draft: Draft,
  state: EnrolmentState | "assumed",
  detail: string,
  askAtOnce = false,
): void {
  const { nowMs, settings, random } = draft.input;
  const before = draft.collector;
  const open = state === "approved" || state === "assumed";
  // Only a receipt ends the back-off, so that a collector of two minds is not asked in a circle.
  const enrolRetry = open ? before.enrolRetry : afterFailure(before.enrolRetry, settings.enrolRetry, random);
  const collector: CollectorState = {
    ...before,
    enrolment: state,
    enrolAsking: false,
    enrolRetry,
    enrolAtMs: askAtOnce ? nowMs : nowMs + enrolRetry.delayMs,
  };
  draft.collector = collector;
  if (before.enrolment !== state) report(draft, { event: "enrolment", state, detail });
}

/** A collector that does not understand the request may still know the gateway: then the uploads tell. */
export function applyEnrolFailed(
  draft: Draft,
  path: string,
  failure: LinkFailure,
  detail: string,
  retryAfterMs: number | undefined,
): void {
  const { nowMs, settings, random } = draft.input;
  if (isChainFault(failure)) {
    noteTrouble(draft, path, "requests", detail);
    decide(draft, { kind: "answer", path, receipt: false });
    return applyEnrolment(draft, "assumed", detail);
  }
  const enrolRetry = afterFailure(draft.collector.enrolRetry, settings.sendRetry, random);
  draft.collector = { ...draft.collector, enrolAsking: false, enrolRetry, enrolAtMs: nowMs + enrolRetry.delayMs };
  if (failure !== "not-enrolled") applyFailure(draft, path, failure, detail, retryAfterMs);
}
