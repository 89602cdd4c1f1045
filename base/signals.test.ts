import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { endSignals } from "./signals.ts";

function started() {
  const source = new EventEmitter();
  let nowUs = 5_000_000;
  let insisted = 0;
  const { first } = endSignals(source, { monotonicUs: () => nowUs }, () => insisted++);
  const send = (signal: string, afterMs = 0): number => {
    nowUs += afterMs * 1000;
    source.emit(signal);
    return insisted;
  };
  return { first, send };
}

test("the first signal asks for the end", async () => {
  const { first, send } = started();
  expect(send("SIGINT")).toBe(0);
  expect(await first).toBe("SIGINT");
});

test("what comes within a second of the first is the same signal, whatever its name", () => {
  const { send } = started();
  send("SIGTERM");
  expect(send("SIGTERM")).toBe(0);
  expect(send("SIGINT", 999)).toBe(0);
});

test("a second after the first it means now", () => {
  const { send } = started();
  send("SIGTERM");
  expect(send("SIGINT", 1000)).toBe(1);
});
