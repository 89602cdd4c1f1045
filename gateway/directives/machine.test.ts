import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import {
  advanceDirectives,
  ANSWERS_MAX,
  NO_DIRECTIVES,
  type DirectiveEvent,
  type DirectiveState,
  type Offer,
} from "./machine.ts";

const GATEWAY = "aa";
const NOW = 1_700_000_000_000;

function config(revision: number, more: Partial<Offer> = {}): Offer {
  const body = { kind: "config", revision, document: `{"log":{"level":"warn"},"n":${revision}}` } as const;
  return { id: `id-${revision}`, gateway: GATEWAY, issued: NOW + revision, notAfter: NOW + 60_000, body, ...more };
}

function offered(offer: Offer, problem?: string): DirectiveEvent {
  return { kind: "offer", offer, gateway: GATEWAY, nowMs: NOW, problem };
}

function receipt(revision: number): DirectiveEvent {
  return { kind: "receipt", trial: `id-${revision}` };
}

function after(state: DirectiveState, ...events: DirectiveEvent[]): DirectiveState {
  return events.reduce(advanceDirectives, state);
}

const last = ({ answers }: DirectiveState) => answers.at(-1);

describe("a change of the configuration", () => {
  test("is tried, and confirmed by a receipt", () => {
    const tried = after(NO_DIRECTIVES, offered(config(1)));
    expect(tried).toMatchObject({ confirmed: null, trial: { revision: 1 } });
    expect(last(tried)).toMatchObject({ outcome: "trying", subject: "config 1" });
    // Of the run before, which drains.
    expect(after(tried, { kind: "receipt", trial: undefined })).toBe(tried);
    const kept = after(tried, receipt(1));
    expect(kept).toMatchObject({ confirmed: { revision: 1 }, trial: null });
    expect(last(kept)).toMatchObject({ outcome: "applied", told: false });
  });

  test("goes back to the one before when its time is over, and when the process ended", () => {
    const one = after(NO_DIRECTIVES, offered(config(1)), receipt(1));
    const two = after(one, offered(config(2)));
    for (const end of [{ kind: "give-up", reason: "no receipt" } as const, { kind: "start", reset: false } as const]) {
      const back = after(two, end);
      expect(back).toMatchObject({ confirmed: { revision: 1 }, trial: null });
      expect(last(back)).toMatchObject({ id: "id-2", outcome: "reverted" });
      expect(after(back, receipt(2))).toBe(back);
    }
  });

  test("is refused, and that is told, when it is not for this gateway, late, older, or no good", () => {
    const one = after(NO_DIRECTIVES, offered(config(5)), receipt(5));
    const refusals: [DirectiveEvent, RegExp][] = [
      [offered(config(6, { gateway: "bb" })), /gateway bb, not for this one/],
      [offered(config(6, { notAfter: NOW - 1 })), /begun by 2023/],
      [offered(config(6, { issued: NOW })), /later directive/],
      [offered(config(4, { issued: NOW + 100 })), /revision 5 was taken/],
      [offered(config(6), "dataDir is no field that a directive may change"), /dataDir/],
      [offered(config(6, { body: { kind: "unknown", number: 9 } })), /kind 9/],
    ];
    for (const [event, reason] of refusals) {
      const refused = after(one, event);
      expect(refused).toMatchObject({ confirmed: { revision: 5 }, trial: null });
      expect(last(refused)).toMatchObject({ outcome: "refused", reason: expect.stringMatching(reason) as string });
    }
    // A clock that is unset cannot tell what is late.
    const late = { kind: "offer", offer: config(6, { notAfter: 0 }), gateway: GATEWAY, problem: undefined } as const;
    expect(after(one, { ...late, nowMs: undefined }).trial).toMatchObject({ revision: 6 });
  });

  test("that comes again is not tried again, and its answer is told again", () => {
    const back = after(NO_DIRECTIVES, offered(config(1)), { kind: "give-up", reason: "no receipt" });
    const told = after(back, { kind: "told", id: "id-1", outcome: "reverted" });
    expect(last(told)).toMatchObject({ told: true });
    const again = after(told, offered(config(1)));
    expect(again.trial).toBeNull();
    expect(last(again)).toMatchObject({ outcome: "reverted", told: false });
  });

  test("is taken back by a person at the gateway", () => {
    const one = after(NO_DIRECTIVES, offered(config(1)), receipt(1));
    const reset = after(one, { kind: "start", reset: true });
    expect(reset.confirmed).toBeNull();
    // What was taken once is not taken again.
    expect(last(after(reset, offered(config(1, { id: "other" }))))).toMatchObject({ outcome: "refused" });
  });
});

test("a release is handed on and answered when it ended", () => {
  const body = { kind: "release", version: "1.2.3" } as const;
  const asked = after(NO_DIRECTIVES, offered(config(1, { body })));
  expect(asked.release).toEqual({ id: "id-1", version: "1.2.3" });
  const ended = after(asked, { kind: "release-ended", id: "id-1", outcome: "applied", reason: "" });
  expect(ended.release).toBeNull();
  expect(last(ended)).toMatchObject({ outcome: "applied", subject: "release 1.2.3" });
});

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ step: fc.constant("offer" as const), older: fc.nat(5), bad: fc.nat(5) }) },
    { weight: 3, arbitrary: fc.record({ step: fc.constant("receipt" as const) }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant("time" as const) }) },
    // The run that took a change, or gave one up, has come to its end, and the next one begins.
    { weight: 3, arbitrary: fc.record({ step: fc.constant("rerun" as const) }) },
    // In the next write, before or after it became durable.
    { weight: 2, arbitrary: fc.record({ step: fc.constant("crash" as const), saved: fc.boolean() }) },
  ),
  { maxLength: 80, size: "max" },
);

describe("over crashes at any moment", () => {
  test("the next start has one configuration, which a receipt proved; a trial runs only in the process that took it", () => {
    let trials = 0;
    let confirmations = 0;
    fc.assert(
      fc.property(steps, (all) => {
        let disk = NO_DIRECTIVES;
        let memory = disk;
        /** The change that the run uses and the one that it has on trial. */
        let run: { uses: number | null; trial: string | undefined } = { uses: null, trial: undefined };
        let crash: { saved: boolean } | undefined;
        /** Revisions under which a receipt came. */
        const proven = new Set<number | null>([null]);
        let newest = 0;
        const write = (event: DirectiveEvent): void => {
          const next = advanceDirectives(memory, event);
          if (next === memory) return;
          if (crash === undefined || crash.saved) disk = next;
          if (crash === undefined) memory = next;
          else {
            crash = undefined;
            // A new process: what it uses is decided before it writes.
            run = { uses: disk.confirmed?.revision ?? null, trial: undefined };
            disk = memory = advanceDirectives(disk, { kind: "start", reset: false });
            expect(memory.trial).toBeNull();
          }
        };
        for (const step of all) {
          if (step.step === "crash") crash = { saved: step.saved };
          else if (step.step === "time") write({ kind: "give-up", reason: "no receipt" });
          else if (step.step === "offer") {
            const revision = step.older === 0 ? Math.max(0, newest - 1) : ++newest;
            write(offered(config(revision), step.bad === 0 ? "no good" : undefined));
          } else if (step.step === "receipt") {
            proven.add(run.uses);
            write({ kind: "receipt", trial: run.trial });
          } else {
            const { trial, confirmed } = memory;
            run = { uses: (trial ?? confirmed)?.revision ?? null, trial: trial?.id };
          }
          // Whatever happens now, the next start is known, and it is one that worked.
          expect(proven).toContain(disk.confirmed?.revision ?? null);
          if (run.trial === undefined) expect(proven).toContain(run.uses);
          expect(disk.answers.length).toBeLessThanOrEqual(ANSWERS_MAX);
          const trying = disk.answers.filter(({ outcome }) => outcome === "trying");
          expect(trying.map(({ id }) => id)).toEqual(disk.trial === null ? [] : [disk.trial.id]);
          if (memory.trial !== null) trials++;
          if (memory.confirmed !== null) confirmations++;
        }
      }),
      { numRuns: scaled(2000) },
    );
    // The property says nothing of machines that never try or never confirm.
    expect(trials).toBeGreaterThan(0);
    expect(confirmations).toBeGreaterThan(0);
  });
});
