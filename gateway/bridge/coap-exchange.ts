import type { Random } from "@paddock/base/random.ts";
import { CODE_CHANGED, CODE_EMPTY, formatCode, TYPE_ACK, TYPE_CON, TYPE_RST } from "@paddock/wire/coap-codes.ts";

/*
 * One confirmable request and what becomes of it (RFC 7252 §4.2, §5.2), as a pure function: `step(state, event, now)`
 * gives the next state and what to do.
 */

/** RFC 7252 §4.8. */
const ACK_TIMEOUT_MS = 2000;
const ACK_RANDOM_FACTOR = 1.5;
const MAX_RETRANSMIT = 4;

export interface ExchangeState {
  readonly messageId: number;
  readonly token: number;
  /** When the next transmission is due; undefined once it was acknowledged. */
  readonly resendAtMs: number | undefined;
  readonly timeoutMs: number;
  readonly transmissions: number;
  /** When whoever asked stops to wait. */
  readonly endsAtMs: number;
  readonly end: ExchangeEnd | undefined;
}

/** How it ended: `kept` is the gateway's 2.04, the only one that says that the frame is on its disk. */
export type ExchangeEnd = { readonly kind: "kept" } | { readonly kind: "refused" | "failed"; readonly detail: string };

/** A CoAP message that has this exchange's token, or is empty and has its Message-ID. */
export interface CoapAnswer {
  readonly type: number;
  readonly code: number;
  readonly messageId: number;
}

export type ExchangeEvent = { readonly kind: "tick" } | { readonly kind: "answer"; readonly answer: CoapAnswer };

export interface ExchangeStep {
  readonly state: ExchangeState;
  /** The request has to leave again, as it was. */
  readonly resend: boolean;
  /** The Message-ID of an answer that wants an acknowledgement. */
  readonly acknowledge: number | undefined;
}

/** A request that has just left for the first time. */
export function startExchange(
  ids: { readonly messageId: number; readonly token: number },
  nowMs: number,
  limitMs: number,
  random: Random,
): ExchangeState {
  const timeoutMs = ACK_TIMEOUT_MS * (1 + (ACK_RANDOM_FACTOR - 1) * random.float());
  return {
    ...ids,
    timeoutMs,
    resendAtMs: nowMs + timeoutMs,
    transmissions: 1,
    endsAtMs: nowMs + limitMs,
    end: undefined,
  };
}

export function stepExchange(state: ExchangeState, event: ExchangeEvent, nowMs: number): ExchangeStep {
  if (event.kind === "answer") return answered(state, event.answer);
  if (state.end !== undefined) return quiet(state);
  if (nowMs >= state.endsAtMs) return quiet(ended(state, "the gateway has not answered in time"));
  if (state.resendAtMs === undefined || nowMs < state.resendAtMs) return quiet(state);
  if (state.transmissions > MAX_RETRANSMIT) return quiet(ended(state, "the gateway does not answer"));
  const timeoutMs = state.timeoutMs * 2;
  const next = { ...state, timeoutMs, resendAtMs: nowMs + timeoutMs, transmissions: state.transmissions + 1 };
  return { state: next, resend: true, acknowledge: undefined };
}

/** When `tick` has something to do. */
export function exchangeWakeAtMs({ resendAtMs, endsAtMs }: ExchangeState): number {
  return Math.min(resendAtMs ?? Infinity, endsAtMs);
}

function answered(state: ExchangeState, { type, code, messageId }: CoapAnswer): ExchangeStep {
  if (type === TYPE_RST) return quiet(state.end === undefined ? ended(state, "the gateway reset the exchange") : state);
  // An empty acknowledgement: the answer itself comes later (RFC 7252 §5.2.2).
  if (type === TYPE_ACK && code === CODE_EMPTY) return quiet({ ...state, resendAtMs: undefined });
  const acknowledge = type === TYPE_CON ? messageId : undefined;
  if (state.end !== undefined) return { state, resend: false, acknowledge };
  const end: ExchangeEnd =
    code === CODE_CHANGED ? { kind: "kept" } : { kind: "refused", detail: `the gateway answered ${formatCode(code)}` };
  return { state: { ...state, resendAtMs: undefined, end }, resend: false, acknowledge };
}

function ended(state: ExchangeState, detail: string): ExchangeState {
  return { ...state, resendAtMs: undefined, end: { kind: "failed", detail } };
}

function quiet(state: ExchangeState): ExchangeStep {
  return { state, resend: false, acknowledge: undefined };
}
