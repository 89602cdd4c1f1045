import { describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { BFD_STATES, type BfdPacket, type BfdState } from "@paddock/wire/bfd-packet.ts";
import {
  detectionTimeUs,
  sessionCondition,
  type SessionState,
  startSession,
  transmitIntervalUs,
  wakeAtUs,
} from "./session-state.ts";
import { type SessionEvent, type SessionOutput, step } from "./session.ts";

const MS = 1000;
const S = 1_000_000;
const random = seededRandom(1);

/** Drives one machine by hand: keeps its state, the time and everything it put out. */
class Bench {
  nowUs = 0;
  state: SessionState;
  outputs: SessionOutput[] = [];

  constructor(options: Partial<Parameters<typeof startSession>[0]> = {}) {
    this.state = startSession(
      { discriminator: 11, desiredMinTxUs: 50 * MS, requiredMinRxUs: 50 * MS, detectMult: 3, ...options },
      0,
      random,
    );
  }

  step(event: SessionEvent): readonly SessionOutput[] {
    const { state, outputs } = step(this.state, event, this.nowUs, random);
    this.state = state;
    this.outputs.push(...outputs);
    return outputs;
  }

  hear(state: BfdState, change: Partial<BfdPacket> = {}): readonly SessionOutput[] {
    return this.step({ kind: "packet", packet: packet(state, change) });
  }

  /** Lets time pass, waking the machine whenever it asks, and never delivering anything. */
  pass(us: number): readonly SessionOutput[] {
    const first = this.outputs.length;
    const endUs = this.nowUs + us;
    for (;;) {
      const wakeUs = wakeAtUs(this.state);
      if (wakeUs === undefined || wakeUs > endUs) break;
      this.nowUs = Math.max(this.nowUs, wakeUs);
      if (this.step({ kind: "tick" }).some((output) => output.kind === "drain")) this.step({ kind: "drained" });
    }
    this.nowUs = endUs;
    return this.outputs.slice(first);
  }

  up(change: Partial<BfdPacket> = {}): this {
    this.hear("down", { yourDiscriminator: 0 });
    this.hear("up", change);
    return this;
  }
}

function packet(state: BfdState, change: Partial<BfdPacket> = {}): BfdPacket {
  return {
    diagnostic: 0,
    state,
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMult: 3,
    myDiscriminator: 22,
    yourDiscriminator: 11,
    desiredMinTxUs: 50 * MS,
    requiredMinRxUs: 50 * MS,
    requiredMinEchoRxUs: 0,
    ...change,
  };
}

function sent(outputs: readonly SessionOutput[]): BfdPacket[] {
  return outputs.flatMap((output) => (output.kind === "send" ? [output.packet] : []));
}

function changes(outputs: readonly SessionOutput[]): string[] {
  return outputs.flatMap((output) =>
    output.kind === "changed" ? [`${output.to} ${output.reason} ${output.diagnostic}`] : [],
  );
}

/** A machine in the wanted state with a peer that has spoken. */
function inState(state: BfdState): Bench {
  const bench = new Bench();
  if (state === "up") bench.up();
  if (state === "init") bench.hear("down", { yourDiscriminator: 0 });
  if (state === "admin-down") bench.step({ kind: "disable" });
  if (state === "down") {
    bench.up();
    bench.hear("down");
  }
  expect(bench.state.state).toBe(state);
  return bench;
}

/** Rows: our state; columns: what the peer reports, silence, disable, enable. */
const TABLE: Readonly<Record<BfdState, Readonly<Record<BfdState | "timer" | "disable" | "enable", BfdState>>>> = {
  "admin-down": {
    "admin-down": "admin-down",
    down: "admin-down",
    init: "admin-down",
    up: "admin-down",
    timer: "admin-down",
    disable: "admin-down",
    enable: "down",
  },
  down: {
    "admin-down": "down",
    down: "init",
    init: "up",
    up: "down",
    timer: "down",
    disable: "admin-down",
    enable: "down",
  },
  init: {
    "admin-down": "down",
    down: "init",
    init: "up",
    up: "up",
    timer: "down",
    disable: "admin-down",
    enable: "init",
  },
  up: { "admin-down": "down", down: "down", init: "up", up: "up", timer: "down", disable: "admin-down", enable: "up" },
};

describe("RFC 5880 6.8.6 state table", () => {
  for (const from of BFD_STATES) {
    for (const [cause, to] of Object.entries(TABLE[from])) {
      test(`${from} + ${cause} -> ${to}`, () => {
        const bench = inState(from);
        const already = bench.outputs.length;
        if (cause === "timer") bench.pass(60 * S);
        else if (cause === "disable" || cause === "enable") bench.step({ kind: cause });
        else bench.hear(cause as BfdState);
        expect(bench.state.state).toBe(to);
        const reported = changes(bench.outputs.slice(already));
        expect(reported).toHaveLength(from === to ? 0 : 1);
      });
    }
  }

  test.each([
    ["up", "down", "neighbor-down", 3],
    ["up", "admin-down", "neighbor-admin-down", 3],
    ["init", "admin-down", "neighbor-admin-down", 3],
  ] as const)("%s that hears %s says so with its diagnostic", (from, heard, reason, diagnostic) => {
    const bench = inState(from);
    const outputs = bench.hear(heard);
    expect(changes(outputs)).toEqual([`down ${reason} ${diagnostic}`]);
    expect(sent(outputs)).toMatchObject([{ state: "down", diagnostic }]);
  });
});

describe("handshake", () => {
  test("slow start: first packet within a second, then 75 to 100 % of a second apart, asking for no less", () => {
    const bench = new Bench();
    const times: number[] = [];
    for (let count = 0; count < 200; count++) {
      bench.nowUs = wakeAtUs(bench.state)!;
      const packets = sent(bench.step({ kind: "tick" }));
      expect(packets).toMatchObject([
        { state: "down", desiredMinTxUs: S, requiredMinRxUs: 50 * MS, yourDiscriminator: 0 },
      ]);
      times.push(bench.nowUs);
    }
    expect(times[0]).toBeLessThan(S);
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.75 * S);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(S);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(0.2 * S);
  });

  test("a pace that slows before the first packet does not put that off", () => {
    const bench = new Bench();
    bench.step({ kind: "change", timers: { desiredMinTxUs: 10 * S, requiredMinRxUs: 10 * S, detectMult: 3 } });
    expect(wakeAtUs(bench.state)).toBeLessThan(S);
    bench.nowUs = wakeAtUs(bench.state)!;
    bench.step({ kind: "tick" });
    expect(wakeAtUs(bench.state)! - bench.nowUs).toBeGreaterThan(7 * S);
  });

  test("with Detect Mult 1 the gaps stay below 90 %", () => {
    const bench = new Bench({ detectMult: 1 }).up();
    bench.hear("up", { final: true });
    let lastUs = bench.nowUs;
    let longestUs = 0;
    for (let count = 0; count < 300; count++) {
      bench.hear("up");
      bench.nowUs = wakeAtUs(bench.state)!;
      if (sent(bench.step({ kind: "tick" })).length === 0) continue;
      if (count > 0) longestUs = Math.max(longestUs, bench.nowUs - lastUs);
      lastUs = bench.nowUs;
    }
    expect(longestUs).toBeGreaterThan(42 * MS);
    expect(longestUs).toBeLessThanOrEqual(45 * MS);
  });

  test("every change of state is sent at once, and Up announces the fast interval by a poll", () => {
    const bench = new Bench();
    expect(sent(bench.hear("down", { yourDiscriminator: 0 }))).toMatchObject([
      { state: "init", yourDiscriminator: 22 },
    ]);
    expect(sent(bench.hear("init"))).toMatchObject([{ state: "up", poll: true, desiredMinTxUs: 50 * MS }]);
    expect(sent(bench.pass(50 * MS))).toMatchObject([{ poll: true }]);
    bench.hear("up", { final: true });
    expect(sent(bench.pass(50 * MS))).toMatchObject([{ poll: false }]);
  });

  test("a configured interval of a second or more needs no poll after Up", () => {
    const bench = new Bench({ desiredMinTxUs: 10 * S }).up();
    expect(bench.state.poll).toBe("idle");
    expect(transmitIntervalUs(bench.state)).toBe(10 * S);
  });

  test("a passive end is silent until it hears something, and again when its peer is forgotten", () => {
    const bench = new Bench({ passive: true });
    expect(bench.pass(3600 * S)).toEqual([]);
    expect(sent(bench.hear("down", { yourDiscriminator: 0 }))).toMatchObject([{ state: "init" }]);
    bench.pass(10 * S);
    expect(bench.state.remote.discriminator).toBe(0);
    expect(bench.pass(3600 * S)).toEqual([]);
  });

  test("equal discriminators on both ends are legal", () => {
    const bench = new Bench({ discriminator: 22 });
    bench.hear("down", { yourDiscriminator: 0 });
    bench.hear("up", { yourDiscriminator: 22 });
    expect(bench.state.state).toBe("up");
  });
});

describe("detection", () => {
  test("the detection time is the peer's multiplier times the slower of both intervals", () => {
    const bench = new Bench().up({ detectMult: 5, desiredMinTxUs: 70 * MS });
    expect(detectionTimeUs(bench.state)).toBe(350 * MS);
    bench.hear("up", { detectMult: 2, desiredMinTxUs: 10 * MS });
    expect(detectionTimeUs(bench.state)).toBe(100 * MS);
  });

  test("silence means Down with diagnostic 1 and the measured time since the last packet", () => {
    const bench = new Bench().up();
    const down = bench.pass(S).find((output) => output.kind === "changed");
    expect(down).toMatchObject({
      from: "up",
      to: "down",
      diagnostic: 1,
      reason: "detection-expired",
      sinceLastPacketUs: 150 * MS,
    });
  });

  test("packets that waited in the socket are heard before Down is declared", () => {
    const bench = new Bench().up();
    bench.nowUs += 900 * MS;
    expect(bench.step({ kind: "tick" })).toContainEqual({ kind: "drain" });
    expect(bench.state.state).toBe("up");
    bench.hear("up");
    bench.step({ kind: "drained" });
    expect(bench.state.state).toBe("up");
    bench.nowUs += 900 * MS;
    bench.step({ kind: "tick" });
    bench.step({ kind: "drained" });
    expect(bench.state.state).toBe("down");
  });

  test("the deadline shrinks at once when the peer's interval shrinks after the slow start", () => {
    const bench = new Bench();
    bench.hear("down", { yourDiscriminator: 0, desiredMinTxUs: S });
    expect(wakeAtUs(bench.state)).toBeLessThanOrEqual(3 * S);
    bench.hear("up", { desiredMinTxUs: 50 * MS });
    bench.step({ kind: "tick" });
    expect(bench.state.detectAtUs).toBe(150 * MS);
    expect(changes(bench.pass(150 * MS))).toEqual(["down detection-expired 1"]);
  });

  test("the pending packet moves forward when the peer's RequiredMinRx falls", () => {
    const bench = new Bench().up({ requiredMinRxUs: S });
    expect(wakeAtUs({ ...bench.state, detectAtUs: undefined })).toBeGreaterThanOrEqual(750 * MS);
    bench.nowUs += 20 * MS;
    bench.hear("up", { requiredMinRxUs: 50 * MS });
    expect(bench.state.transmitAtUs).toBeLessThanOrEqual(50 * MS);
    expect(bench.state.transmitAtUs).toBeGreaterThanOrEqual(37.5 * MS);
  });

  test("RFC 5880 6.8.1: silent for the detection time the peer is unknown; only the Down that says so still names it", () => {
    const bench = new Bench().up();
    const outputs = bench.pass(151 * MS);
    expect(sent(outputs).findLast(({ state }) => state === "down")).toMatchObject({ yourDiscriminator: 22 });
    expect(bench.state).toMatchObject({ state: "down", remote: { discriminator: 0, demand: false } });
    expect(bench.state.detectAtUs).toBeUndefined();
    expect(sent(bench.pass(S))).toMatchObject([{ state: "down", yourDiscriminator: 0 }]);
  });

  test("a peer that went Down itself is known for one detection time after its last packet", () => {
    const bench = new Bench().up();
    bench.hear("down");
    bench.pass(149 * MS);
    expect(bench.state.remote.discriminator).toBe(22);
    bench.pass(2 * MS);
    expect(bench.state.remote.discriminator).toBe(0);
  });

  test("a peer that was switched off stays `admin-down` when it falls silent", () => {
    const bench = new Bench().up();
    bench.hear("admin-down");
    expect(sessionCondition(bench.state)).toBe("admin-down");
    bench.pass(3600 * S);
    expect(bench.state.remote.discriminator).toBe(0);
    expect(sessionCondition(bench.state)).toBe("admin-down");
    bench.hear("down", { yourDiscriminator: 0 });
    expect(sessionCondition(bench.state)).toBe("down");
  });
});

const timers = (txMs: number, rxMs: number) => ({
  desiredMinTxUs: txMs * MS,
  requiredMinRxUs: rxMs * MS,
  detectMult: 3,
});

function settled(): Bench {
  const bench = new Bench().up();
  bench.hear("up", { final: true });
  expect(bench.state.poll).toBe("idle");
  return bench;
}

describe("parameters that change while Up, RFC 5880 6.8.3", () => {
  test("our interval grows only after the Final, though packets announce it at once", () => {
    const bench = settled();
    expect(sent(bench.step({ kind: "change", timers: timers(200, 50) }))).toMatchObject([
      { poll: true, desiredMinTxUs: 200 * MS },
    ]);
    expect(transmitIntervalUs(bench.state)).toBe(50 * MS);
    bench.hear("up", { final: true });
    expect(transmitIntervalUs(bench.state)).toBe(200 * MS);
  });

  test("our interval shrinks at once", () => {
    const bench = settled();
    bench.step({ kind: "change", timers: timers(20, 50) });
    // The peer still asks for 50 ms.
    expect(transmitIntervalUs(bench.state)).toBe(50 * MS);
    bench.hear("up", { requiredMinRxUs: 10 * MS });
    expect(transmitIntervalUs(bench.state)).toBe(20 * MS);
  });

  test("detection gets shorter only after the Final, longer at once", () => {
    const bench = settled();
    bench.step({ kind: "change", timers: timers(50, 300) });
    expect(detectionTimeUs(bench.state)).toBe(900 * MS);
    bench.hear("up", { final: true });
    bench.step({ kind: "change", timers: timers(50, 100) });
    expect(detectionTimeUs(bench.state)).toBe(900 * MS);
    bench.hear("up", { final: true });
    expect(detectionTimeUs(bench.state)).toBe(300 * MS);
  });

  test("a change during a poll is polled again, with one packet without P between", () => {
    const bench = settled();
    bench.step({ kind: "change", timers: timers(200, 50) });
    bench.step({ kind: "change", timers: timers(400, 50) });
    bench.hear("up", { final: true });
    expect(transmitIntervalUs(bench.state)).toBe(50 * MS);
    bench.nowUs = bench.state.transmitAtUs!;
    expect(sent(bench.step({ kind: "tick" }))).toMatchObject([{ poll: false, desiredMinTxUs: 400 * MS }]);
    bench.nowUs = bench.state.transmitAtUs!;
    expect(sent(bench.step({ kind: "tick" }))).toMatchObject([{ poll: true }]);
    bench.hear("up", { final: true });
    expect(transmitIntervalUs(bench.state)).toBe(400 * MS);
  });

  test("a new Detect Mult needs no poll", () => {
    const bench = settled();
    expect(bench.step({ kind: "change", timers: { ...timers(50, 50), detectMult: 5 } })).toEqual([]);
    expect(sent(bench.pass(50 * MS))).toMatchObject([{ detectMult: 5, poll: false }]);
  });

  test("while not Up nothing waits", () => {
    const bench = new Bench();
    bench.step({ kind: "change", timers: timers(2000, 10) });
    expect(bench.state).toMatchObject({ poll: "idle", paceUs: 2 * S, expectUs: 10 * MS });
  });
});

describe("what the peer may ask for", () => {
  test("a Poll is answered at once by a Final, never both in one packet", () => {
    const bench = new Bench();
    const outputs = [...bench.hear("down", { yourDiscriminator: 0, poll: true }), ...bench.hear("up", { poll: true })];
    expect(sent(outputs).filter((each) => each.final)).toHaveLength(2);
    expect(sent(outputs).filter((each) => each.final && each.poll)).toEqual([]);
  });

  test("RequiredMinRx 0 stops periodic packets, but not Finals", () => {
    const bench = new Bench().up();
    bench.hear("up", { requiredMinRxUs: 0 });
    expect(bench.state.transmitAtUs).toBeUndefined();
    expect(sent(bench.hear("up", { requiredMinRxUs: 0, poll: true }))).toMatchObject([{ final: true }]);
    bench.hear("up", { requiredMinRxUs: 50 * MS });
    expect(bench.state.transmitAtUs).toBeDefined();
  });

  test("RequiredMinRx 0 does not outlive the peer", () => {
    const bench = new Bench().up({ requiredMinRxUs: 0 });
    bench.pass(5 * S);
    expect(bench.state.state).toBe("down");
    expect(bench.state.transmitAtUs).toBeDefined();
  });

  test("RFC 5880 6.8.7: demand of a peer that is not Up yet does not silence us", () => {
    // A second and more needs no poll, which would be sent anyway.
    const bench = new Bench({ desiredMinTxUs: 2 * S });
    bench.hear("down", { yourDiscriminator: 0 });
    bench.hear("init", { demand: true, desiredMinTxUs: 2 * S });
    expect(bench.state).toMatchObject({ state: "up", poll: "idle" });
    expect(sent(bench.pass(2 * S)).filter(({ final }) => !final)).not.toEqual([]);
    bench.hear("up", { demand: true, desiredMinTxUs: 2 * S });
    expect(sent(bench.pass(2 * S))).toEqual([]);
  });

  test("demand mode: quiet while both are Up, except for polls", () => {
    const bench = new Bench().up();
    bench.hear("up", { final: true, demand: true });
    expect(bench.state.transmitAtUs).toBeUndefined();
    expect(sent(bench.hear("up", { demand: true, poll: true }))).toMatchObject([{ final: true }]);
    bench.step({ kind: "change", timers: { desiredMinTxUs: 100 * MS, requiredMinRxUs: 50 * MS, detectMult: 3 } });
    expect(sent(bench.pass(60 * MS)).every((each) => each.poll)).toBe(true);
    bench.hear("up", { demand: true, final: true });
    expect(bench.state.transmitAtUs).toBeUndefined();
    expect(changes(bench.pass(S))).toEqual(["down detection-expired 1"]);
    expect(bench.state.transmitAtUs).toBeDefined();
  });
});

describe("switched off and on", () => {
  test("a reminder says AdminDown once more, to a peer that may be told, and nothing in any other state", () => {
    const bench = new Bench().up();
    expect(sent(bench.step({ kind: "remind" }))).toEqual([]);
    bench.step({ kind: "disable" });
    expect(sent(bench.step({ kind: "remind" }))).toMatchObject([{ state: "admin-down", yourDiscriminator: 22 }]);
    const quiet = new Bench().up({ requiredMinRxUs: 0 });
    quiet.step({ kind: "disable" });
    expect(sent(quiet.step({ kind: "remind" }))).toEqual([]);
  });

  test("AdminDown is announced at once and repeated, and forgets nothing it hears into a state", () => {
    const bench = new Bench().up();
    expect(sent(bench.step({ kind: "disable" }))).toMatchObject([
      { state: "admin-down", diagnostic: 7, desiredMinTxUs: S },
    ]);
    expect(sent(bench.pass(3 * S)).length).toBeGreaterThanOrEqual(2);
    expect(sent(bench.hear("up", { poll: true }))).toEqual([]);
    expect(sessionCondition(bench.state)).toBe("admin-down");
    bench.step({ kind: "enable" });
    expect(bench.state).toMatchObject({ state: "down", diagnostic: 0, remote: { discriminator: 0 } });
  });
});
