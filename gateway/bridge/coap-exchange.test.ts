import { expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import {
  CODE_CHANGED,
  CODE_EMPTY,
  CODE_SERVICE_UNAVAILABLE,
  TYPE_ACK,
  TYPE_CON,
  TYPE_NON,
  TYPE_RST,
} from "@paddock/wire/coap-codes.ts";
import { exchangeWakeAtMs, startExchange, stepExchange, type ExchangeState } from "./coap-exchange.ts";

const start = (limitMs = 100_000): ExchangeState =>
  startExchange({ messageId: 7, token: 9 }, 0, limitMs, seededRandom(1));
const answer = (type: number, code: number, messageId = 7) =>
  ({ kind: "answer", answer: { type, code, messageId } }) as const;

test("is sent five times, each twice as long after the other, and given up behind the last", () => {
  let state = start();
  const gaps: number[] = [];
  let at = 0;
  while (state.end === undefined) {
    const wakeAt = exchangeWakeAtMs(state);
    expect(stepExchange(state, { kind: "tick" }, wakeAt - 1).state).toBe(state);
    gaps.push(wakeAt - at);
    at = wakeAt;
    const next = stepExchange(state, { kind: "tick" }, at);
    expect(next.resend).toBe(next.state.end === undefined);
    state = next.state;
  }
  expect(gaps).toHaveLength(5);
  expect(gaps[0]).toBeGreaterThanOrEqual(2000);
  expect(gaps[0]).toBeLessThan(3000);
  for (const [index, gap] of gaps.slice(1).entries()) expect(gap).toBeCloseTo(gaps[index]! * 2);
  expect(state.end).toEqual({ kind: "failed", detail: "the gateway does not answer" });
});

test("ends when whoever asked stops to wait", () => {
  const state = start(500);
  expect(exchangeWakeAtMs(state)).toBe(500);
  expect(stepExchange(state, { kind: "tick" }, 500).state.end).toMatchObject({ kind: "failed" });
});

test.each([
  ["in the acknowledgement", TYPE_ACK, undefined],
  ["non-confirmable", TYPE_NON, undefined],
  ["confirmable", TYPE_CON, 77],
])("2.04 %s: it is kept", (_, type, acknowledge) => {
  const { state, ...rest } = stepExchange(start(), answer(type, CODE_CHANGED, 77), 10);
  expect(state.end).toEqual({ kind: "kept" });
  expect(rest).toEqual({ resend: false, acknowledge });
  // The same answer again is acknowledged again.
  expect(stepExchange(state, answer(type, CODE_CHANGED, 77), 11)).toEqual({ state, ...rest });
});

test("an empty acknowledgement ends the resending, not the waiting", () => {
  const { state } = stepExchange(start(), answer(TYPE_ACK, CODE_EMPTY), 10);
  expect(exchangeWakeAtMs(state)).toBe(100_000);
  expect(stepExchange(state, answer(TYPE_CON, CODE_CHANGED, 3), 20).state.end).toEqual({ kind: "kept" });
});

test("any other code is a refusal in words, a reset a failure", () => {
  expect(stepExchange(start(), answer(TYPE_ACK, CODE_SERVICE_UNAVAILABLE), 10).state.end).toEqual({
    kind: "refused",
    detail: "the gateway answered 5.03",
  });
  expect(stepExchange(start(), answer(TYPE_RST, CODE_EMPTY), 10).state.end).toEqual({
    kind: "failed",
    detail: "the gateway reset the exchange",
  });
});
