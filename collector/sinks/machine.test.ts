import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import type { LogPlace } from "../log/log-place.ts";
import { startSink, stepSink, type SinkAction, type SinkEvent, type SinkMachine, type SinkStep } from "./machine.ts";

const LIMITS = { maxRows: 10, maxBytes: 1000, maxDelayMs: 500 };
const at = (offset: number): LogPlace => ({ offset, updated: 0 });

/** A machine that is fed by hand in virtual time. */
class Driven {
  machine: SinkMachine;
  actions: readonly SinkAction[];
  nowMs = 0;

  constructor({ machine, actions }: SinkStep = startSink(LIMITS, false)) {
    this.machine = machine;
    this.actions = actions;
  }

  after(event: SinkEvent, chance = 0.5): string[] {
    const step = stepSink(this.machine, event, this.nowMs, chance);
    this.machine = step.machine;
    this.actions = step.actions;
    return step.actions.map((action) => action.do);
  }

  get waitMs(): number | undefined {
    return this.actions.flatMap((action) => (action.do === "wake" ? [action.inMs] : []))[0];
  }
}

function reading(): Driven {
  const driven = new Driven();
  expect(driven.after({ is: "opened", place: at(5) })).toEqual(["read"]);
  return driven;
}

describe("a sink", () => {
  test("writes when it has rows enough, and else when the first waited long enough", () => {
    const driven = reading();
    expect(driven.after({ is: "gathered", to: 6, rows: 4, bytes: 1 })).toEqual(["wake", "gather"]);
    expect(driven.waitMs).toBe(500);
    expect(driven.after({ is: "gathered", to: 8, rows: 6, bytes: 1 })).toEqual(["write"]);
    expect(driven.machine.chunk).toMatchObject({ from: 5, to: 8, rows: 10 });
    expect(driven.after({ is: "written", place: at(8) })).toEqual(["gather"]);
    driven.nowMs = 400;
    driven.after({ is: "gathered", to: 9, rows: 1, bytes: 1 });
    driven.nowMs = 899;
    expect(driven.after({ is: "due" })).toEqual(["wake"]);
    driven.nowMs = 900;
    expect(driven.after({ is: "due" })).toEqual(["write"]);
    expect(driven.after({ is: "written", place: at(9) })).toEqual(["gather"]);
    expect(driven.after({ is: "gathered", to: 10, rows: 0, bytes: 1000 })).toEqual(["write"]);
  });

  test("waits longer after each failure, at most a minute, and gives the same chunk again", () => {
    const driven = reading();
    driven.after({ is: "gathered", to: 9, rows: 10, bytes: 1 });
    const waits: number[] = [];
    for (let failure = 0; failure < 12; failure++) {
      expect(driven.after({ is: "failed", message: "disk full" }, failure % 2 === 0 ? 0 : 0.999)).toEqual(["wake"]);
      expect(driven.machine).toMatchObject({ phase: "waiting", problem: "disk full", failures: failure + 1 });
      waits.push(driven.waitMs!);
      driven.nowMs += driven.waitMs!;
      expect(driven.after({ is: "due" })).toEqual(["open"]);
      expect(driven.after({ is: "opened", place: at(5) })).toEqual(["write"]);
      expect(driven.machine.chunk).toMatchObject({ from: 5, to: 9 });
    }
    expect(waits.slice(0, 4)).toEqual([125, 500, 500, 1999]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
    expect(waits.at(-1)).toBeGreaterThan(59_000);
    expect(driven.after({ is: "written", place: at(9) })).toEqual(["gather"]);
    expect(driven.machine).toMatchObject({ failures: 0, problem: undefined });
  });

  test("does not write again what it had kept when it failed, and reads again when it stands elsewhere", () => {
    for (const [offset, actions] of [
      [9, ["forget", "gather"]],
      [7, ["drop", "read"]],
    ] as const) {
      const driven = reading();
      driven.after({ is: "gathered", to: 9, rows: 10, bytes: 1 });
      driven.after({ is: "failed", message: "gone" });
      driven.nowMs += driven.waitMs!;
      driven.after({ is: "due" });
      expect(driven.after({ is: "opened", place: at(offset) })).toEqual(actions);
    }
  });

  test("stops at a place of another log until it is built again", () => {
    const driven = reading();
    expect(driven.after({ is: "drifted", message: "other log" })).toEqual(["drop"]);
    expect(driven.machine).toMatchObject({ phase: "stopped", problem: "other log" });
    expect(driven.after({ is: "resume" })).toEqual([]);
    expect(driven.after({ is: "rebuild", place: at(0) })).toEqual(["drop", "rewind"]);
    expect(driven.after({ is: "rewound", place: at(0) })).toEqual(["read"]);
    expect(driven.machine).toMatchObject({ phase: "reading", problem: undefined, rewindTo: undefined });
  });

  test("is paused behind what it does, built again meanwhile, and stays paused", () => {
    const driven = reading();
    driven.after({ is: "gathered", to: 9, rows: 10, bytes: 1 });
    expect(driven.after({ is: "pause" })).toEqual([]);
    expect(driven.after({ is: "written", place: at(9) })).toEqual(["drop", "close"]);
    expect(driven.after({ is: "closed" })).toEqual([]);
    expect(driven.machine.phase).toBe("paused");
    expect(driven.after({ is: "rebuild", place: at(2) })).toEqual(["open"]);
    expect(driven.after({ is: "opened", place: at(9) })).toEqual(["drop", "rewind"]);
    expect(driven.after({ is: "rewound", place: at(2) })).toEqual(["drop", "close"]);
    driven.after({ is: "closed" });
    expect(driven.machine.phase).toBe("paused");
    expect(driven.after({ is: "resume" })).toEqual(["open"]);
  });

  test("is never built again from ahead of where it stands", () => {
    const driven = reading();
    expect(driven.after({ is: "rebuild", place: at(6) })).toEqual(["gather"]);
    expect(driven.machine).toMatchObject({ phase: "reading", rewindTo: undefined });
  });

  test("an operator's word ends a wait", () => {
    const driven = new Driven();
    driven.after({ is: "failed", message: "no server" });
    expect(driven.after({ is: "resume" })).toEqual(["open"]);
    driven.after({ is: "failed", message: "no server" });
    expect(driven.after({ is: "pause" })).toEqual(["drop", "close"]);
    // What does not even close is left alone.
    driven.after({ is: "failed", message: "no server" });
    expect(driven.machine.phase).toBe("paused");
  });
});

/** A sink, its feed and their troubles, made of chance: what it kept must be the log, once and in order. */
class World {
  readonly driven = new Driven();
  readonly kept: number[] = [];
  readonly #random;
  #next = 0;
  #gathered: number[] = [];
  #busy: "open" | "write" | "rewind" | "close" | undefined;
  #rewindTo = 0;
  #isGathering = false;
  #wakeMs: number | undefined;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#perform();
  }

  #perform(): void {
    for (const action of this.driven.actions) {
      if (action.do === "wake") this.#wakeMs = this.driven.nowMs + action.inMs;
      if (action.do === "forget" || action.do === "drop") this.#gathered = [];
      if (action.do === "drop") this.#isGathering = false;
      if (action.do === "read") this.#next = action.place?.offset ?? 0;
      if (action.do === "read" || action.do === "gather") this.#isGathering = true;
      if (action.do === "rewind") this.#rewindTo = action.place.offset;
      if (["open", "write", "rewind", "close"].includes(action.do)) {
        expect(this.#busy).toBe(undefined);
        this.#busy = action.do as "open";
      }
    }
  }

  tell(event: SinkEvent): void {
    this.driven.after(event, this.#random.float());
    this.#perform();
  }

  /** One thing that can happen now happens; `calm` lets nothing fail. */
  turn(logEnd: number, calm: boolean): void {
    const busy = this.#busy;
    const fails = !calm && this.#random.below(4) === 0;
    this.driven.nowMs += this.#random.below(200);
    if (busy !== undefined && (calm || this.#random.below(3) > 0)) {
      this.#busy = undefined;
      // What fails may have been done all the same.
      if (!fails || this.#random.below(2) === 0) this.#do(busy);
      if (fails) this.tell({ is: "failed", message: "chance" });
      else if (busy === "open") this.tell({ is: "opened", place: at(this.kept.length) });
      else if (busy === "write") this.#written();
      else if (busy === "rewind") this.tell({ is: "rewound", place: at(this.#rewindTo) });
      else this.tell({ is: "closed" });
    } else if (this.#isGathering && this.driven.machine.phase === "reading" && this.#next < logEnd) {
      this.#isGathering = false;
      const rows = Math.min(logEnd - this.#next, 1 + this.#random.below(6));
      for (let row = 0; row < rows; row++) this.#gathered.push(this.#next++);
      if (fails) this.tell({ is: "failed", message: "chance" });
      else this.tell({ is: "gathered", to: this.#next, rows, bytes: rows });
    } else if (this.#wakeMs !== undefined) {
      this.driven.nowMs = Math.max(this.driven.nowMs, this.#wakeMs);
      this.#wakeMs = undefined;
      this.tell({ is: "due" });
    }
    expect(this.kept).toEqual(this.kept.map((_, index) => index));
  }

  #written(): void {
    this.#gathered = [];
    this.tell({ is: "written", place: at(this.kept.length) });
  }

  #do(what: "open" | "write" | "rewind" | "close"): void {
    if (what === "rewind") this.kept.length = Math.min(this.kept.length, this.#rewindTo);
    if (what !== "write") return;
    expect(this.#gathered[0]).toBe(this.kept.length);
    this.kept.push(...this.#gathered);
  }

  command(): void {
    const wish = this.#random.below(3);
    if (wish === 0) this.tell({ is: "pause" });
    else if (wish === 1) this.tell({ is: "resume" });
    else this.tell({ is: "rebuild", place: at(this.#random.below(this.kept.length + 1)) });
  }

  isDone(logEnd: number): boolean {
    return this.kept.length === logEnd && this.driven.machine.phase === "reading";
  }

  chance(bound: number): number {
    return this.#random.below(bound);
  }
}

test("whatever fails and whoever commands, what is kept is the log, each record once", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const world = new World(seed);
      for (let turn = 0; turn < 400; turn++) {
        if (world.chance(25) === 0) world.command();
        else world.turn(100, false);
      }
      world.tell({ is: "resume" });
      for (let turn = 0; turn < 400 && !world.isDone(100); turn++) world.turn(100, true);
      expect(world.isDone(100)).toBe(true);
    }),
    { numRuns: scaled(2000) },
  );
});
