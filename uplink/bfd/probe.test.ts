import { describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import type { BfdPacket } from "@paddock/wire/bfd-packet.ts";
import { probeIntervalUs, type ProbeOptions, type ProbeState, probeWakeAtUs, startProbe, stepProbe } from "./probe.ts";
import type { SessionEvent, SessionOutput } from "./session.ts";

const MS = 1000;
const S = 1_000_000;

/** A probe whose packets come back after a fixed time while the path is whole. */
class Loop {
  nowUs = 0;
  whole = true;
  disabled = false;
  state: ProbeState;
  readonly changes: string[] = [];
  readonly #random = seededRandom(3);
  rttUs: number;
  #flying: { dueUs: number; packet: BfdPacket }[] = [];

  constructor(options: Partial<ProbeOptions>, rttUs: number) {
    this.rttUs = rttUs;
    this.state = startProbe(
      { kind: "seamless", discriminator: 5, remoteDiscriminator: 9, intervalUs: 50 * MS, detectMult: 3, ...options },
      0,
      this.#random,
    );
  }

  run(us: number): this {
    const endUs = this.nowUs + us;
    for (;;) {
      const nextUs = Math.min(probeWakeAtUs(this.state) ?? Infinity, ...this.#flying.map(({ dueUs }) => dueUs));
      if (nextUs > endUs) break;
      this.nowUs = Math.max(this.nowUs, nextUs);
      const due = this.#flying.filter(({ dueUs }) => dueUs <= this.nowUs);
      this.#flying = this.#flying.filter(({ dueUs }) => dueUs > this.nowUs);
      for (const { packet } of due) this.step({ kind: "packet", packet });
      if ((probeWakeAtUs(this.state) ?? Infinity) <= this.nowUs) this.step({ kind: "tick" });
    }
    this.nowUs = endUs;
    return this;
  }

  step(event: SessionEvent): readonly SessionOutput[] {
    const { state, outputs } = stepProbe(this.state, event, this.nowUs, this.#random);
    this.state = state;
    for (const output of outputs) {
      if (output.kind === "drain") this.step({ kind: "drained" });
      if (output.kind === "changed") this.changes.push(`${output.to} ${output.reason} ${output.diagnostic}`);
      if (output.kind === "send" && this.whole)
        this.#flying.push({ dueUs: this.nowUs + this.rttUs, packet: this.#answer(output.packet) });
    }
    return outputs;
  }

  #answer(packet: BfdPacket): BfdPacket {
    return this.state.kind === "echo"
      ? packet
      : {
          ...packet,
          state: this.disabled ? "admin-down" : "up",
          poll: false,
          final: packet.poll,
          demand: false,
          requiredMinRxUs: 10 * MS,
        };
  }
}

describe.each(["seamless", "echo"] as const)("%s", (kind) => {
  test.each([1 * MS, 45 * MS, 600 * MS])("comes Up, holds and sees a cut, with a round trip of %i us", (rttUs) => {
    const loop = new Loop({ kind }, rttUs).run(600 * S);
    expect(loop.changes).toEqual(kind === "echo" ? ["init handshake 0", "up handshake 0"] : ["up handshake 0"]);
    expect(loop.state.rttUs).toBe(rttUs);
    expect(probeIntervalUs(loop.state)).toBe(50 * MS);
    loop.whole = false;
    loop.run(rttUs + 151 * MS);
    expect(loop.changes.at(-1)).toBe(`down detection-expired ${kind === "echo" ? 2 : 1}`);
    expect(probeIntervalUs(loop.state)).toBe(S);
    loop.whole = true;
    loop.run(5 * S);
    expect(loop.state.state).toBe("up");
  });

  test("a change of pace in either direction never flaps", () => {
    const loop = new Loop({ kind }, 300 * MS).run(10 * S);
    const before = loop.changes.length;
    for (const intervalMs of [1000, 50, 10_000, 20, 300]) {
      loop.step({ kind: "change", timers: { desiredMinTxUs: intervalMs * MS, requiredMinRxUs: 1, detectMult: 3 } });
      loop.run(60 * S);
      expect(probeIntervalUs(loop.state)).toBe(intervalMs * MS);
    }
    expect(loop.changes).toHaveLength(before);
  });

  test("switched off it is silent, switched on it comes back", () => {
    const loop = new Loop({ kind }, MS).run(10 * S);
    loop.step({ kind: "disable" });
    expect(loop.step({ kind: "tick" })).toEqual([]);
    expect(probeWakeAtUs(loop.state)).toBeUndefined();
    loop.step({ kind: "enable" });
    loop.run(10 * S);
    expect(loop.state.state).toBe("up");
  });
});

test("a reflector that is switched off is not a failure of the path", () => {
  const loop = new Loop({}, MS).run(10 * S);
  loop.disabled = true;
  loop.run(10 * S);
  expect(loop.changes.at(-1)).toBe("down neighbor-admin-down 3");
  expect(loop.state.remoteDisabled).toBe(true);
  loop.disabled = false;
  loop.run(10 * S);
  expect(loop.state).toMatchObject({ state: "up", remoteDisabled: false });
});

test.each([
  [5 * MS, 130 * MS],
  [600 * MS, 700 * MS],
])("a round trip of %i us that becomes %i us and back is measured each time", (usualUs, lateUs) => {
  const loop = new Loop({}, usualUs).run(20 * S);
  loop.rttUs = lateUs;
  expect(loop.run(3 * S).state.rttUs).toBe(lateUs);
  loop.rttUs = usualUs;
  expect(loop.run(3 * S).state.rttUs).toBe(usualUs);
});

test("a pace that slows before the first packet does not put that off", () => {
  const loop = new Loop({}, 5 * MS);
  loop.step({ kind: "change", timers: { desiredMinTxUs: 10 * S, requiredMinRxUs: 10 * S, detectMult: 3 } });
  expect(loop.run(1100 * MS).state.state).toBe("up");
});

test.each([200 * MS, 600 * MS])("a lost first packet does not make a path of %i us flap when it comes Up", (rttUs) => {
  const loop = new Loop({}, rttUs);
  loop.whole = false;
  while (loop.state.lastSentUs === undefined) loop.run(MS);
  loop.whole = true;
  loop.run(20 * S);
  expect(loop.changes).toEqual(["up handshake 0"]);
  expect(loop.state.rttUs).toBe(rttUs);
});

test("a poll whose answer is lost is repeated", () => {
  const loop = new Loop({}, 5 * MS).run(20 * S);
  loop.run(loop.state.pollAtUs - loop.nowUs - MS);
  loop.whole = false;
  loop.run(60 * MS);
  expect(loop.state.polledUs).toBeDefined();
  loop.whole = true;
  loop.rttUs = 7 * MS;
  expect(loop.run(3.5 * S).state).toMatchObject({ state: "up", rttUs: 7 * MS });
});

test("the reflector's own limit is kept", () => {
  const loop = new Loop({ intervalUs: MS }, MS).run(10 * S);
  expect(probeIntervalUs(loop.state)).toBe(10 * MS);
});
