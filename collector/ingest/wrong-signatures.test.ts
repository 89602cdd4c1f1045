import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { WrongSignatures } from "./wrong-signatures.ts";

/** How many of `tries` wrong signatures are looked at, under the names in turn. */
function lookedAt(wrong: WrongSignatures, connection: object, names: readonly string[], tries: number): number {
  let count = 0;
  for (let index = 0; index < tries; index++) {
    const name = names[index % names.length];
    if (!wrong.mayTry(connection, name)) continue;
    count++;
    wrong.failed(connection, name);
  }
  return count;
}

test("a hundred for a name, then ten a second, and nothing of it for another name or connection", () => {
  const clock = new VirtualClock();
  const wrong = new WrongSignatures(clock);
  const ingress = {};
  expect(lookedAt(wrong, ingress, ["victim"], 1000)).toBe(101);
  expect([wrong.mayTry(ingress, "victim"), wrong.mayTry(ingress, "other"), wrong.mayTry(ingress)]).toEqual([
    false,
    true,
    true,
  ]);
  expect(wrong.mayTry({}, "victim")).toBe(true);
  clock.advance(1000);
  expect(lookedAt(wrong, ingress, ["victim"], 1000)).toBe(11);
});

test("all names of a connection together are bounded, however many somebody knows", () => {
  const clock = new VirtualClock();
  const wrong = new WrongSignatures(clock);
  const names = Array.from({ length: 5000 }, (_, index) => String(index));
  expect(lookedAt(wrong, {}, names, 100_000)).toBe(3001);
});
