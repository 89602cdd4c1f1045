import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { type Random, seededRandom } from "@paddock/base/random.ts";
import type { BfdPacket } from "@paddock/wire/bfd-packet.ts";
import { detectionTimeUs, type SessionOptions, type SessionState, startSession, wakeAtUs } from "./session-state.ts";
import { type SessionEvent, step } from "./session.ts";

/** Two machines and the wire between them, all in virtual time from one seed. */
class LossyLink {
  nowUs = 0;
  loss = 0;
  /** Per direction: 0 is from the first machine to the second. */
  cut: [boolean, boolean] = [false, false];
  readonly ends: [SessionState, SessionState];
  /** When each end left Up last. */
  readonly leftUpAtUs: [number, number] = [0, 0];
  readonly #delayUs: number;
  readonly #random: Random;
  readonly #lastDueUs: [number, number] = [0, 0];
  #flying: { dueUs: number; to: 0 | 1; packet: BfdPacket }[] = [];

  constructor(random: Random, left: SessionOptions, right: SessionOptions, delayUs: number) {
    this.#random = random;
    this.#delayUs = delayUs;
    this.ends = [startSession(left, 0, random), startSession(right, 0, random)];
  }

  run(us: number): void {
    const endUs = this.nowUs + us;
    for (;;) {
      const next = this.#next();
      if (next > endUs) break;
      this.nowUs = Math.max(this.nowUs, next);
      this.#deliver();
      for (const end of [0, 1] as const) {
        const wakeUs = wakeAtUs(this.ends[end]);
        if (wakeUs !== undefined && wakeUs <= this.nowUs) this.step(end, { kind: "tick" });
      }
    }
    this.nowUs = endUs;
  }

  step(end: 0 | 1, event: SessionEvent): void {
    const wasUp = this.ends[end].state === "up";
    const { state, outputs } = step(this.ends[end], event, this.nowUs, this.#random);
    this.ends[end] = state;
    if (wasUp && state.state !== "up") this.leftUpAtUs[end] = this.nowUs;
    for (const output of outputs) {
      if (output.kind === "drain") this.step(end, { kind: "drained" });
      if (output.kind !== "send") continue;
      if (output.packet.poll && output.packet.final) expect.unreachable("P and F in one packet");
      if (this.cut[end] || this.#random.float() < this.loss) continue;
      // Late by less than the slack of the fastest pair, and in order: BFD packets that overtake each other can undo an
      // announced change, which no implementation can tell from a second change.
      const dueUs = Math.max(this.#lastDueUs[end], this.nowUs + this.#delayUs + this.#random.below(5000));
      this.#lastDueUs[end] = dueUs;
      this.#flying.push({ dueUs, to: end === 0 ? 1 : 0, packet: output.packet });
    }
  }

  bothUp(): boolean {
    return this.ends[0].state === "up" && this.ends[1].state === "up";
  }

  #next(): number {
    let next = Math.min(wakeAtUs(this.ends[0]) ?? Infinity, wakeAtUs(this.ends[1]) ?? Infinity);
    for (const { dueUs } of this.#flying) next = Math.min(next, dueUs);
    return next;
  }

  #deliver(): void {
    const due = this.#flying.filter(({ dueUs }) => dueUs <= this.nowUs);
    if (due.length === 0) return;
    this.#flying = this.#flying.filter(({ dueUs }) => dueUs > this.nowUs);
    for (const { to, packet } of due) this.step(to, { kind: "packet", packet });
  }
}

const S = 1_000_000;
const SEEDS = scaled(2000);

/** From 10 ms to two minutes, evenly over the orders of magnitude. */
function anyScaleUs(random: Random): number {
  return Math.round(10_000 * 12_000 ** random.float());
}

function anyOptions(random: Random, scaleUs: number, discriminator: number): SessionOptions {
  return {
    discriminator,
    desiredMinTxUs: scaleUs * (1 + random.below(5)),
    requiredMinRxUs: scaleUs * (1 + random.below(5)),
    detectMult: 2 + random.below(5),
  };
}

/** Slow start of both, a forgotten peer, and a detection time of each may have to pass. */
function settleUs(link: LossyLink): number {
  return 10 * S + 30 * slowestUs(link);
}

function slowestUs(link: LossyLink): number {
  const timers = link.ends.map((end) => end.timers);
  return Math.max(...timers.flatMap((each) => [each.desiredMinTxUs, each.requiredMinRxUs]));
}

function trouble(link: LossyLink, random: Random, scaleUs: number): void {
  link.cut = [random.below(4) === 0, random.below(4) === 0];
  const end = random.below(2) === 0 ? 0 : 1;
  const what = random.below(4);
  if (what === 0) {
    const { desiredMinTxUs, requiredMinRxUs, detectMult } = anyOptions(random, scaleUs, 1);
    link.step(end, { kind: "change", timers: { desiredMinTxUs, requiredMinRxUs, detectMult } });
  }
  if (what === 1) {
    link.step(end, { kind: "disable" });
    link.run(random.below(10) * S);
    link.step(end, { kind: "enable" });
  }
  if (what === 2) {
    const { discriminator, passive, timers } = link.ends[end];
    link.ends[end] = startSession({ ...timers, passive, discriminator: discriminator + 100 }, link.nowUs, random);
  }
}

function silence(link: LossyLink, where: string): void {
  const detectUs = link.ends.map((end) => detectionTimeUs(end));
  link.cut = [true, true];
  const sinceUs = link.nowUs;
  link.run(Math.max(...detectUs) + 200_000);
  for (const end of [0, 1] as const) {
    expect(link.ends[end].state, where).toBe("down");
    // A packet may have been on the wire when it was cut.
    expect(link.leftUpAtUs[end] - sinceUs, where).toBeLessThanOrEqual(detectUs[end]! + 200_000);
  }
  link.cut = [false, false];
}

describe("two machines on a lossy link", () => {
  test("thousands of hours: always Up again after trouble, always Down within the detection time of silence", () => {
    let simulatedUs = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed);
      const scaleUs = anyScaleUs(random);
      // One in four pairs has equal discriminators, as two daemons seeded by the time of day had.
      const link = new LossyLink(
        random,
        anyOptions(random, scaleUs, 1),
        { ...anyOptions(random, scaleUs, seed % 4 === 0 ? 1 : 2), passive: seed % 5 === 0 },
        random.below(100_000),
      );
      const where = `seed ${seed}`;
      for (let round = 0; round < 12; round++) {
        link.loss = random.float() * 0.5;
        trouble(link, random, scaleUs);
        link.run(random.below(40) * slowestUs(link));

        link.cut = [false, false];
        link.loss = 0;
        link.run(settleUs(link));
        expect(link.bothUp(), where).toBe(true);
        expect(
          link.ends.map((end) => end.poll),
          where,
        ).toEqual(["idle", "idle"]);

        silence(link, where);
      }
      simulatedUs += link.nowUs;
    }
    expect(simulatedUs / 3600 / S).toBeGreaterThan(8 * SEEDS);
  });

  test("no loss, no Down: a change of intervals on either side never flaps", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(1000 + seed);
      const scaleUs = anyScaleUs(random);
      const link = new LossyLink(
        random,
        anyOptions(random, scaleUs, 1),
        anyOptions(random, scaleUs, 2),
        random.below(1000),
      );
      link.run(settleUs(link));
      expect(link.bothUp()).toBe(true);
      link.leftUpAtUs.fill(0);
      for (let change = 0; change < 20; change++) {
        const { desiredMinTxUs, requiredMinRxUs, detectMult } = anyOptions(random, scaleUs, 1);
        link.step(random.below(2) === 0 ? 0 : 1, {
          kind: "change",
          timers: { desiredMinTxUs, requiredMinRxUs, detectMult },
        });
        link.run(random.below(20) * slowestUs(link));
      }
      expect(link.leftUpAtUs, `seed ${1000 + seed}`).toEqual([0, 0]);
    }
  });

  test("a cut in one direction takes both ends down", () => {
    for (const direction of [0, 1] as const) {
      const random = seededRandom(7 + direction);
      const scaleUs = anyScaleUs(random);
      const link = new LossyLink(random, anyOptions(random, scaleUs, 1), anyOptions(random, scaleUs, 2), 500);
      link.run(settleUs(link));
      expect(link.bothUp()).toBe(true);
      link.cut[direction] = true;
      link.run(settleUs(link));
      expect(link.ends.map((end) => end.state === "up")).toEqual([false, false]);
    }
  });
});
