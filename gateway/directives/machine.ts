import type { DirectiveOutcome } from "@paddock/wire/gateway-record.ts";

/**
 * What a gateway makes of its collector's directives. Pure. What is durable changes first, then what is done, so that a
 * crash at any moment leaves a state whose next start is known: a process always starts with the confirmed change (or none). A
 * change on trial is only ever run by the process that took it, and what is on trial when a process starts has failed.
 */

/** A change of the configuration, as a directive brought it. */
export interface Change {
  /** Of the directive, hex. */
  readonly id: string;
  readonly revision: number;
  /** JSON text of the merge patch. */
  readonly document: string;
}

/** What the collector is told of one directive. */
export interface Answer {
  readonly id: string;
  readonly outcome: DirectiveOutcome;
  readonly subject: string;
  readonly reason: string;
  /** Whether a durable batch says it. */
  readonly told: boolean;
}

export interface DirectiveState {
  /** The highest that were taken: what is not above them is older. */
  readonly newest: { readonly issued: number; readonly revision: number };
  /** Laid over the gateway's own document; null: that alone. */
  readonly confirmed: Change | null;
  /** Runs until a receipt confirms it or its time is over. */
  readonly trial: Change | null;
  /** Handed on to who installs releases, and not answered yet. */
  readonly release: { readonly id: string; readonly version: string } | null;
  /** The newest last. */
  readonly answers: readonly Answer[];
}

export const NO_DIRECTIVES: DirectiveState = {
  newest: { issued: Number.MIN_SAFE_INTEGER, revision: -1 },
  confirmed: null,
  trial: null,
  release: null,
  answers: [],
};

/** A directive as far as this machine looks into it. */
export interface Offer {
  readonly id: string;
  readonly gateway: string;
  readonly issued: number;
  readonly notAfter: number;
  readonly body:
    | { readonly kind: "config"; readonly revision: number; readonly document: string }
    | { readonly kind: "release"; readonly version: string }
    | { readonly kind: "unknown"; readonly number: number };
}

export type DirectiveEvent =
  /** A process has begun to run; `reset`: a person at the gateway wants its own document alone. */
  | { readonly kind: "start"; readonly reset: boolean }
  | {
      readonly kind: "offer";
      readonly offer: Offer;
      /** Id of this gateway, hex. */
      readonly gateway: string;
      /** Unix ms; undefined while the clock is unset. */
      readonly nowMs: number | undefined;
      /** What speaks against what it asks for, as far as this gateway can see beforehand. */
      readonly problem: string | undefined;
    }
  /** The collector holds something that a run has sent; `trial`: the change that this run has on trial, by its id. */
  | { readonly kind: "receipt"; readonly trial: string | undefined }
  /** The trial's time is over, or it could not be run at all. */
  | { readonly kind: "give-up"; readonly reason: string }
  | { readonly kind: "release-ended"; readonly id: string; readonly outcome: DirectiveOutcome; readonly reason: string }
  /** What became of what a person at the machine asked for by a stick. */
  | {
      readonly kind: "stick-ended";
      readonly id: string;
      readonly subject: string;
      readonly outcome: DirectiveOutcome;
      readonly reason: string;
    }
  /** A durable batch says this answer. */
  | { readonly kind: "told"; readonly id: string; readonly outcome: DirectiveOutcome };

/** Answers that are remembered, so that a directive which comes again is answered and not done again. */
export const ANSWERS_MAX = 16;

/** The state after the event; the same object when nothing changes. */
export function advanceDirectives(state: DirectiveState, event: DirectiveEvent): DirectiveState {
  switch (event.kind) {
    case "start": {
      const after =
        state.trial === null ? state : giveUp(state, "the gateway ended before a receipt had confirmed the change");
      return event.reset && after.confirmed !== null ? { ...after, confirmed: null } : after;
    }
    case "offer":
      return takeOffer(state, event);
    case "receipt":
      // The run before, which took the change, may still get receipts while it comes to its end.
      if (state.trial === null || state.trial.id !== event.trial) return state;
      return answer({ ...state, confirmed: state.trial, trial: null }, subjectOf(state.trial), "applied");
    case "give-up":
      return state.trial === null ? state : giveUp(state, event.reason);
    case "release-ended": {
      const { release } = state;
      if (release?.id !== event.id) return state;
      const subject = { id: release.id, subject: `release ${release.version}` };
      return answer({ ...state, release: null }, subject, event.outcome, event.reason);
    }
    case "stick-ended": {
      const { id, subject, outcome, reason } = event;
      const known = state.answers.find((each) => each.id === id);
      if (known?.outcome === outcome && known.reason === reason) return state;
      return answer(state, { id, subject }, outcome, reason);
    }
    case "told":
      return {
        ...state,
        answers: state.answers.map((each) =>
          each.id === event.id && each.outcome === event.outcome ? { ...each, told: true } : each,
        ),
      };
  }
}

function giveUp(state: DirectiveState, reason: string): DirectiveState {
  return answer({ ...state, trial: null }, subjectOf(state.trial!), "reverted", reason);
}

function takeOffer(
  state: DirectiveState,
  { offer, gateway, nowMs, problem }: DirectiveEvent & { kind: "offer" },
): DirectiveState {
  const { id, issued, body } = offer;
  const known = state.answers.find((each) => each.id === id);
  if (known !== undefined) {
    // Whoever asks again has not heard the answer.
    const isOpen = state.trial?.id === id || state.release?.id === id;
    return isOpen || !known.told ? state : said(state, { ...known, told: false });
  }
  // One after the other: it is offered again.
  if (state.trial !== null) return state;
  const subject = { id, subject: nameOf(body) };
  const refused = (reason: string): DirectiveState => answer(state, subject, "refused", reason);
  if (offer.gateway !== gateway) return refused(`it is meant for gateway ${offer.gateway}, not for this one`);
  if (nowMs !== undefined && offer.notAfter < nowMs)
    return refused(`it was to be begun by ${new Date(offer.notAfter).toISOString()} at the latest`);
  if (issued <= state.newest.issued) return refused("a later directive was taken before it");
  if (body.kind === "config" && body.revision <= state.newest.revision)
    return refused(`revision ${state.newest.revision} was taken before it`);
  const newest = { ...state.newest, issued };
  if (problem !== undefined) return answer({ ...state, newest }, subject, "refused", problem);
  switch (body.kind) {
    case "config": {
      const { revision, document } = body;
      return answer({ ...state, newest: { issued, revision }, trial: { id, revision, document } }, subject, "trying");
    }
    case "release":
      return answer({ ...state, newest, release: { id, version: body.version } }, subject, "trying");
    case "unknown":
      return answer({ ...state, newest }, subject, "refused", `this version knows no directive of kind ${body.number}`);
  }
}

function nameOf(body: Offer["body"]): string {
  switch (body.kind) {
    case "config":
      return `config ${body.revision}`;
    case "release":
      return `release ${body.version}`;
    case "unknown":
      return `kind ${body.number}`;
  }
}

function subjectOf({ id, revision }: Change): { id: string; subject: string } {
  return { id, subject: `config ${revision}` };
}

function answer(
  state: DirectiveState,
  subject: { readonly id: string; readonly subject: string },
  outcome: DirectiveOutcome,
  reason = "",
): DirectiveState {
  return said(state, { ...subject, outcome, reason, told: false });
}

/** One answer for each directive, the newest; bounded. */
function said(state: DirectiveState, newest: Answer): DirectiveState {
  const others = state.answers.filter(({ id }) => id !== newest.id);
  return { ...state, answers: [...others, newest].slice(-ANSWERS_MAX) };
}
