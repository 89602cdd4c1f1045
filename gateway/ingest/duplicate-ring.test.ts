import * as fc from "fast-check";
import { expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { DuplicateRing, PENDING } from "./duplicate-ring.ts";

const CAPACITY = 8;
const LIFETIME_S = 20;

interface Message {
  readonly key: string;
  readonly ticket: number;
  readonly addedS: number;
  code: number;
}

/** Messages in the order in which they came; at most `CAPACITY` of the last ones are remembered. */
class Model {
  #last: (Message | undefined)[] = [];

  get messages(): Message[] {
    return this.#last.filter((message) => message !== undefined);
  }

  add(message: Message): void {
    this.#drop(({ key }) => key === message.key);
    this.#last = [...this.#last, message].slice(-CAPACITY);
  }

  forget(ticket: number): void {
    this.#drop((message) => message.ticket === ticket);
  }

  #drop(isIt: (message: Message) => boolean): void {
    this.#last = this.#last.map((message) => (message !== undefined && isIt(message) ? undefined : message));
  }
}

// Few places of the table, so that most keys stand where another one belongs; some at its end, so that they go round it.
const keys = fc.tuple(fc.constantFrom(0, 1, 2, 14, 15, 16, 31, -1, -2), fc.integer({ min: 0, max: 2 }));
const steps = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("take" as const), key: keys }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("forget" as const), nth: fc.nat(CAPACITY) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("settle" as const), nth: fc.nat(CAPACITY) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.nat(LIFETIME_S) }) },
);

test("remembers what a plain list of the last messages does, however keys collide and are forgotten", () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 20, maxLength: 80, size: "max" }), (all) => {
      const ring = new DuplicateRing(CAPACITY, LIFETIME_S);
      const model = new Model();
      let nowS = 1000;
      for (const step of all) {
        if (step.kind === "wait") nowS += step.seconds;
        if (step.kind === "take") {
          const [low, high] = step.key;
          if (ring.find(low, high, nowS) === 0) {
            const ticket = ring.add(low, high, nowS);
            expect(ticket).toBeGreaterThan(0);
            model.add({ key: `${low}/${high}`, ticket, addedS: nowS, code: PENDING });
          }
        }
        const message = "nth" in step ? model.messages[step.nth] : undefined;
        if (message !== undefined && step.kind === "forget") {
          ring.forget(message.ticket);
          model.forget(message.ticket);
        }
        if (message !== undefined && step.kind === "settle") ring.settle(message.ticket, (message.code = 68));
        const known = new Map(model.messages.map((one) => [one.key, one]));
        expect(ring.size).toBe(known.size);
        for (const low of [0, 1, 2, 14, 15, 16, 31, -1, -2]) {
          for (const high of [0, 1, 2]) {
            const one = known.get(`${low}/${high}`);
            const isThere = one !== undefined && nowS - one.addedS <= LIFETIME_S;
            expect(ring.find(low, high, nowS)).toBe(isThere ? one.ticket : 0);
            if (isThere) expect(ring.codeOf(one.ticket)).toBe(one.code);
          }
        }
      }
    }),
    { numRuns: scaled(1200) },
  );
});

test("an answer to a message that gave way is not told of the one in its place", () => {
  const ring = new DuplicateRing(2);
  expect(ring.capacity).toBe(2);
  const first = ring.add(1, 0, 0);
  ring.add(2, 0, 0);
  const third = ring.add(3, 0, 0);
  ring.settle(first, 68);
  expect([ring.codeOf(first), ring.codeOf(third)]).toEqual([PENDING, PENDING]);
  ring.forget(first);
  expect(ring.find(3, 0, 0)).toBe(third);
  expect([ring.size, ring.find(1, 0, 0)]).toEqual([2, 0]);
  ring.settle(third, 68);
  expect(ring.codeOf(third)).toBe(68);
  ring.forget(0);
  expect(ring.size).toBe(2);
});

test.each([
  [1, 2],
  [2, 2],
  [3, 4],
  [64, 64],
  [65, 128],
])("room for %i is room for %i", (asked, capacity) => {
  expect(new DuplicateRing(asked).capacity).toBe(capacity);
});
