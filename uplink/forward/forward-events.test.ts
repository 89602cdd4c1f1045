import { describe, expect, test } from "vitest";
import type { Random } from "@paddock/base/random.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { PathConfig } from "../paths/path-config.ts";
import { advanceForward } from "./forward-policy.ts";
import {
  chainNumber,
  FORWARD_SETTINGS,
  initialForward,
  type ChainState,
  type CollectorState,
  type Flight,
  type ForwardEvent,
  type ForwardSettings,
  type ForwardState,
  type SessionState,
} from "./forward-state.ts";
import type { ChainBacklog, LinkFailure } from "./ports.ts";

/** One event at a time: what it leaves of the state, to the number, and what is to be done about it. */

const endpoint = "https://[::1]:8443";
const FIBRE: PathConfig = { name: "fibre", endpoint, preference: 100 };
const LTE: PathConfig = { name: "lte", endpoint, preference: 10 };
const KIB = 1024;
const MIB = 1024 * KIB;
const CHAIN = { lane: 1, epoch: 0 } as const;
const NOW = 100_000;
/** Every delay is drawn in the middle: three quarters of its ceiling. */
const random = { float: () => 0.5 } as Random;
const RESTED = { attempts: 0, delayMs: 0 };

interface World {
  readonly fibre?: Partial<SessionState>;
  readonly lte?: Partial<SessionState>;
  readonly chain?: Partial<ChainState>;
  readonly collector?: Partial<CollectorState>;
  readonly flights?: readonly Partial<Flight>[];
  readonly state?: Partial<ForwardState>;
  readonly pending?: Ranges;
  readonly settings?: Partial<ForwardSettings>;
  readonly paths?: readonly PathConfig[];
  readonly enrols?: boolean;
}

/** Both sessions were opened in the first 2 ms, all has been quiet since; flights have the ids 1, 2, … */
function world(parts: World = {}) {
  const { fibre, lte, chain, collector, flights = [], state: more, pending = [], paths = [FIBRE, LTE] } = parts;
  const settings = { ...FORWARD_SETTINGS, ...parts.settings };
  const backlog = (): ChainBacklog[] =>
    pending.length === 0 ? [] : [{ ...CHAIN, pending, bytes: 1000 * pending.length, records: 1 }];
  const input = (nowMs: number) => ({ nowMs, wallMs: 1_750_000_000_000, backlog, random, settings });
  let state = initialForward(paths, { settings, enrols: parts.enrols ?? false });
  const quiet = { ...input(1), backlog: () => [] };
  state = advanceForward(state, { kind: "start" }, quiet).state;
  for (const { name } of paths)
    state = advanceForward(state, { kind: "opened", path: name, handshakeMs: 20 }, { ...quiet, nowMs: 2 }).state;
  const sessions = new Map(state.sessions);
  for (const [name, patch] of [["fibre", fibre] as const, ["lte", lte] as const])
    if (patch !== undefined) sessions.set(name, { ...sessions.get(name)!, ...patch });
  const known: ChainState = {
    ...CHAIN,
    marks: [],
    resume: "done",
    asked: undefined,
    blockedUntilMs: 0,
    retry: RESTED,
    unreadable: [],
    unreadableUntilMs: 0,
    stoppedWhy: undefined,
    stallLevel: 0,
    gatherUntilMs: { live: 0, backlog: 0 },
    progressMs: 2,
    ...chain,
  };
  state = {
    ...state,
    sessions,
    chains:
      chain === undefined && flights.length === 0
        ? new Map()
        : new Map([known, { ...known, lane: 0 as const }].map((one) => [chainNumber(one), one])),
    flights: new Map(flights.map((flight, index) => [index + 1, flightOf(index + 1, flight)])),
    nextFlight: flights.length + 1,
    collector: { ...state.collector, ...collector },
    ...more,
  };
  return {
    state,
    at: (event: ForwardEvent, nowMs = NOW) => {
      const step = advanceForward(state, event, input(nowMs));
      state = step.state;
      return {
        ...step,
        fibre: state.sessions.get("fibre")!,
        lte: state.sessions.get("lte"),
        chain: state.chains.get(chainNumber(CHAIN)),
        flight: state.flights.get(1),
        actions: step.actions.filter(({ kind }) => kind !== "wake" && kind !== "report"),
        reports: step.actions.flatMap((action) => (action.kind === "report" ? [action.report] : [])),
        wakes: step.actions.flatMap((action) => (action.kind === "wake" ? [action.atMs] : [])),
      };
    },
  };
}

function flightOf(id: number, flight: Partial<Flight>): Flight {
  return {
    id,
    path: "fibre",
    ...CHAIN,
    kind: "live",
    first: 10 * id,
    last: 10 * id + 1,
    stage: "sent",
    bytes: KIB,
    records: 1,
    sentMs: NOW - 10,
    copy: false,
    ...flight,
  };
}

const flapsOf = (state: ForwardState, path: string) =>
  state.paths.paths.find(({ config }) => config.name === path)!.flaps.penalty;

const sealed = (seq: number): ForwardEvent => ({ kind: "sealed", ...CHAIN, seq });

const liveness = (path: string, is: "up" | "down"): ForwardEvent => ({
  kind: "liveness",
  path,
  liveness: is,
  why: "bfd",
});

const openFailed = (failure: LinkFailure): ForwardEvent => ({
  kind: "open-failed",
  path: "fibre",
  failure,
  detail: "why",
});

const unreadable = (flight: number): ForwardEvent => ({ kind: "unreadable", flight, detail: "damaged" });

const failed = (failure: LinkFailure): ForwardEvent => ({ kind: "failed", flight: 1, failure, detail: "why" });

const query = (failure: LinkFailure, more = {}): ForwardEvent => ({
  kind: "query-failed",
  path: "fibre",
  ...CHAIN,
  failure,
  detail: "why",
  ...more,
});

describe("a session that is open", () => {
  const before: Partial<SessionState> = {
    status: "opening",
    sendAfterMs: NOW + 1,
    sendRetry: { attempts: 3, delayMs: 9 },
    answers: 7,
    silence: { ms: 5, atMs: 1 },
    trial: { path: "lte", atMs: NOW },
    rttMs: 500,
    baseMs: 1,
    lengthMs: 1,
    succession: { step: "opening", sinceMs: NOW - 1 },
  };

  test("starts with what its handshake took, and forgets what was before", () => {
    const { fibre, reports } = world({ fibre: before }).at({ kind: "opened", path: "fibre", handshakeMs: 30 });
    expect(fibre).toMatchObject({
      status: "open",
      openedAtMs: NOW,
      sendAfterMs: 0,
      sendRetry: RESTED,
      baseMs: 30,
      lengthMs: 15,
      usualMs: 15,
      rttMs: 15,
      answers: 0,
      answeredMs: NOW,
      silence: { ms: 0, atMs: NOW },
      trial: undefined,
      succession: undefined,
    });
    expect(reports).toEqual([{ event: "session-open", path: "fibre", handshakeMs: 30 }]);
  });

  test.each(["session", "requests"] as const)("ends the trouble that its path had with sessions: %s", (of) => {
    const trouble = { of, sinceMs: 5, detail: "x" };
    const { fibre } = world({ fibre: { ...before, trouble } }).at({ kind: "opened", path: "fibre", handshakeMs: 30 });
    expect(fibre.trouble).toEqual(of === "session" ? undefined : trouble);
  });

  test("is closed and opened anew when its path is configured, without a wait", () => {
    const retry = { attempts: 4, delayMs: 9999 };
    const event = { kind: "configured", config: { ...FIBRE, preference: 90 } } as const;
    const { fibre, actions, state } = world({ fibre: { retry } }).at(event);
    expect(fibre).toMatchObject({ status: "opening", retry: RESTED, retryAtMs: NOW, hurryAtMs: NOW });
    expect(actions).toEqual([
      { kind: "close", path: "fibre" },
      { kind: "open", path: "fibre", hurry: false },
    ]);
    expect(state.paths.active).toBe("lte");
    expect(flapsOf(state, "fibre")).toBe(0);
  });
});

describe("seals", () => {
  test("are marked every 100 ms, and forgotten when they are no longer live", () => {
    const { at } = world();
    expect(at(sealed(0), 50_000).chain!.marks).toEqual([{ seq: 0, atMs: 50_000 }]);
    expect(at(sealed(1), 50_099).chain!.marks).toHaveLength(1);
    expect(at(sealed(2), 50_100).chain!.marks.map(({ seq }) => seq)).toEqual([0, 2]);
    expect(at(sealed(3), 52_000).chain!.marks.map(({ seq }) => seq)).toEqual([0, 2, 3]);
    expect(at(sealed(4), 52_100).chain!.marks.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect(at(sealed(5), 60_000).chain!.marks).toEqual([{ seq: 5, atMs: 60_000 }]);
  });
});

describe("the word of a path's watcher", () => {
  test("closes the session of a path that carries nothing, and leaves the only one", () => {
    const { lte, actions } = world().at(liveness("lte", "down"));
    expect(lte).toMatchObject({ status: "closed", retryAtMs: NOW + 188, retry: { attempts: 1, delayMs: 188 } });
    expect(actions).toEqual([{ kind: "close", path: "lte" }]);
    const alone = world({ paths: [FIBRE] }).at(liveness("fibre", "down"));
    expect([alone.fibre.status, alone.actions]).toEqual(["open", []]);
    expect(alone.state.paths.active).toBe("fibre");
    const moved = world().at(liveness("fibre", "down"));
    expect([moved.fibre.status, moved.state.paths.active]).toEqual(["closed", "lte"]);
  });

  test("opens a path anew that comes back, whatever its back-off, and not one that it only finds up", () => {
    const retry = { attempts: 4, delayMs: 9999 };
    const waits = { status: "closed", retry, retryAtMs: NOW + 9999 } as const;
    const { at } = world({ lte: { ...waits, status: "opening" } });
    expect(at(liveness("lte", "down"), NOW - 5).actions).toEqual([]);
    const up = at(liveness("lte", "up"));
    expect(up.lte).toMatchObject({ status: "opening", retry: RESTED, retryAtMs: NOW });
    expect(up.actions).toEqual([
      { kind: "close", path: "lte" },
      { kind: "open", path: "lte", hurry: false },
    ]);
    expect(at(liveness("lte", "up"), NOW + 1).actions).toEqual([]);
    // What failed since is not hurried by hearing the same again.
    at({ kind: "open-failed", path: "lte", failure: "unreachable", detail: "why" }, NOW + 1);
    const again = at(liveness("lte", "up"), NOW + 2);
    expect(again.lte).toMatchObject({ status: "closed", retry: { attempts: 1 }, retryAtMs: NOW + 189 });
    const first = world({ lte: { retry, retryAtMs: NOW + 9999 } }).at(liveness("lte", "up"));
    expect(first.actions).toEqual([]);
    expect(first.lte).toMatchObject({ status: "open", retry: RESTED, retryAtMs: NOW });
  });

  test("leaves the session of a path that carries traffic open as it comes up again", () => {
    const { at } = world({ paths: [FIBRE] });
    at(liveness("fibre", "down"), NOW - 5);
    const up = at(liveness("fibre", "up"));
    expect([up.fibre.status, up.actions]).toEqual(["open", []]);
  });

  test("of a path that nobody knows changes nothing", () => {
    const { at, state } = world();
    expect(at(liveness("radio", "down")).state.sessions).toEqual(state.sessions);
  });
});

describe("a session that says it ends", () => {
  const retiring: ForwardEvent = { kind: "retiring", path: "fibre", detail: "GOAWAY" };

  test.each([
    ["at once", {}, 1, NOW],
    [
      "after three for nothing not at once",
      { ended: { attempts: 3, delayMs: 1 }, openedAtMs: NOW - 5000 },
      4,
      NOW + 1500,
    ],
    ["the third still is", { ended: { attempts: 2, delayMs: 1 }, openedAtMs: NOW - 5000 }, 3, NOW],
    [
      "unless it lived for more than five seconds",
      { ended: { attempts: 3, delayMs: 1 }, openedAtMs: NOW - 5001 },
      1,
      NOW,
    ],
  ])("is followed by the next: %s", (_, fibre, attempts, retryAtMs) => {
    const { at } = world({ fibre });
    const step = at(retiring);
    const isDue = retryAtMs === NOW;
    expect(step.fibre).toMatchObject({ status: "open", ended: { attempts }, retryAtMs });
    expect(step.fibre.succession).toEqual({ step: isDue ? "opening" : "due", sinceMs: NOW });
    expect(step.actions).toEqual(isDue ? [{ kind: "open", path: "fibre", hurry: true }] : []);
    expect(step.reports).toEqual([{ event: "session-retiring", path: "fibre", detail: "GOAWAY" }]);
    expect(step.wakes).toEqual([isDue ? NOW + 2000 : NOW + 1500]);
    expect(at(retiring, NOW + 1).reports).toEqual([]);
    if (!isDue) expect(at({ kind: "tick" }, retryAtMs).fibre.succession!.step).toBe("opening");
  });

  test("only while it is open", () => {
    for (const status of ["closed", "opening"] as const)
      expect(world({ fibre: { status, retryAtMs: NOW + 9 } }).at(retiring).reports).toEqual([]);
  });

  test.each(["due", "opening"] as const)("leaves its path when no other is open in two seconds: %s", (step) => {
    const { at } = world({
      fibre: { succession: { step, sinceMs: NOW }, retryAtMs: NOW + 9999, hurryAtMs: NOW + 9999 },
    });
    expect(at({ kind: "tick" }, NOW + 1999).fibre.succession).toEqual({ step, sinceMs: NOW });
    const after = at({ kind: "tick" }, NOW + 2000);
    expect(after.fibre).toMatchObject({ status: step === "opening" ? "opening" : "closed", succession: undefined });
    expect(after.state.paths.active).toBe("lte");
    expect(flapsOf(after.state, "fibre")).toBe(0);
  });
});

describe("a session that does not open, or falls", () => {
  const closed: ForwardEvent = { kind: "closed", path: "fibre", detail: "reset" };

  test.each([
    ["unreachable", 188],
    ["identity", 7500],
  ] as const)("is tried again later: %s", (failure, retryInMs) => {
    const { fibre, reports } = world({ fibre: { status: "opening" } }).at(openFailed(failure));
    expect(fibre).toMatchObject({
      status: "closed",
      lastError: "why",
      succession: undefined,
      retryAtMs: NOW + retryInMs,
      trouble: { of: "session", sinceMs: NOW, detail: "why" },
    });
    expect(reports[0]).toEqual({ event: "session-failed", path: "fibre", failure, detail: "why", retryInMs });
  });

  test("is no fault of the path where the one before was about to end", () => {
    for (const [succession, penalised] of [
      [{ step: "opening", sinceMs: NOW } as const, false] as const,
      [undefined, true] as const,
    ]) {
      const { state } = world({ fibre: { succession } }).at(openFailed("unreachable"));
      expect(flapsOf(state, "fibre") > 0).toBe(penalised);
    }
  });

  test.each([
    [60_000, 6000],
    [60_001, 188],
  ])("its back-off rests once it has lived for a minute: %i ms", (livedMs, retryInMs) => {
    const fibre = { openedAtMs: NOW - livedMs, retry: { attempts: 5, delayMs: 1 } };
    const step = world({ fibre }).at(closed);
    expect(step.fibre).toMatchObject({ status: "closed", lastError: "reset", retryAtMs: NOW + retryInMs });
    expect(step.reports[0]).toEqual({ event: "session-lost", path: "fibre", detail: "reset", retryInMs });
  });

  test.each([
    ["with nothing on its way", [], false],
    ["with what is delivered", [{ stage: "delivered" }], false],
    ["with what flies elsewhere", [{ path: "lte" }], false],
    ["with a request", [{}], true],
    ["with a request among others", [{ path: "lte" }, {}, { stage: "delivered" }], true],
  ] as const)("falls against its path or not: %s", (_, flights, penalised) => {
    const { state } = world({ flights }).at(closed);
    expect(flapsOf(state, "fibre") > 0).toBe(penalised);
  });

  test("is followed when its successor was due", () => {
    for (const [retryAtMs, retryInMs] of [[NOW + 700, 700] as const, [NOW - 700, 0] as const]) {
      const succession = { step: "due", sinceMs: NOW - 1 } as const;
      const fibre = { succession, retryAtMs, hurryAtMs: NOW + 5000, retry: { attempts: 5, delayMs: 1 } };
      const step = world({ fibre, flights: [{}] }).at(closed);
      expect(step.fibre).toMatchObject({ succession: undefined, retryAtMs, hurryAtMs: retryAtMs });
      expect(step.fibre.status).toBe(retryInMs > 0 ? "closed" : "opening");
      expect(step.reports.find(({ event }) => event === "session-lost")).toMatchObject({ retryInMs });
      expect(flapsOf(step.state, "fibre")).toBe(0);
    }
  });
});

describe("a request whose batches were read", () => {
  const read: ForwardEvent = { kind: "read", flight: 1, last: 14, bytes: 3000, records: 30 };

  test.each<[string, Partial<Flight>, before: number, after: number]>([
    ["live ones owe the backlog a third", {}, 500, 1500],
    ["up to what two requests take", {}, 2 * MIB - 10, 2 * MIB],
    ["the backlog takes what it is owed", { kind: "backlog" }, 5000, 2000],
    ["and no more", { kind: "backlog" }, 5, 0],
    ["alarms owe nothing", { lane: 0 }, 500, 500],
    ["nor do second copies", { copy: true }, 500, 500],
  ])("%s", (_, flight, before, after) => {
    const { at } = world({ flights: [{ ...flight, stage: "reading" }], state: { backlogCredit: before } });
    const step = at(read);
    expect(step.flight).toMatchObject({ stage: "sent", last: 14, bytes: 3000, records: 30, sentMs: NOW });
    expect(step.state.backlogCredit).toBe(after);
  });

  test("of one that was forgotten nothing is done", () => {
    const { at, state } = world({ state: { backlogCredit: 7 } });
    expect(at(read).state).toMatchObject({ flights: state.flights, backlogCredit: 7 });
  });
});

describe("batches that cannot be read", () => {
  const parts = {
    pending: [[10, 31]] as Ranges,
    flights: [{}, {}, {}],
    // Nothing else is sent meanwhile, and nobody misses a receipt.
    settings: { stallMs: 1e6, stallCapMs: 1e6 },
    chain: { blockedUntilMs: NOW + 1e6 },
  };

  test("are told once, passed over, and tried again after a while", () => {
    const { at } = world(parts);
    const first = at(unreadable(1));
    const told = { event: "batch-unreadable", lane: 1, epoch: 0, detail: "damaged", retryInMs: 22_500 };
    expect(first.reports).toEqual([{ ...told, seq: 10 }]);
    expect(first.actions).toEqual([{ kind: "abort", flight: 1 }]);
    expect(first.chain).toMatchObject({ unreadable: [[10, 10]], unreadableUntilMs: NOW + 22_500 });
    const second = at(unreadable(2), NOW + 22_499);
    expect(second.reports).toEqual([]);
    expect(second.chain).toMatchObject({
      unreadable: [
        [10, 10],
        [20, 20],
      ],
      unreadableUntilMs: NOW + 22_500,
    });
    const third = at(unreadable(3), NOW + 22_500);
    expect(third.reports).toEqual([{ ...told, seq: 30 }]);
    expect(third.chain).toMatchObject({ unreadable: [[30, 30]], unreadableUntilMs: NOW + 45_000 });
  });

  test("are no matter once a receipt names them, or the chain is gone", () => {
    for (const pending of [[[11, 31]] as Ranges, [] as Ranges]) {
      const step = world({ ...parts, pending }).at(unreadable(1));
      expect([step.reports, step.chain!.unreadable]).toEqual([[], []]);
    }
  });
});

describe("a receipt", () => {
  const delivered: ForwardEvent = { kind: "delivered", flight: 1 };
  const steady = { baseMs: 20, lengthMs: 12, rttMs: 20, usualMs: 20, answeredMs: NOW, requestBytes: 128 * KIB };

  test("marks its request, rests every back-off and wakes the chain", () => {
    const tired = { attempts: 3, delayMs: 5 };
    const trouble = { of: "requests", sinceMs: 5, detail: "x" } as const;
    const fibre = {
      ...steady,
      retry: tired,
      ended: tired,
      sendRetry: tired,
      sendAfterMs: NOW + 5,
      lastError: "x",
      trouble,
    };
    const { at } = world({
      fibre: { ...fibre, unproven: true },
      flights: [{}],
      chain: { resume: "asking", stallLevel: 2, retry: tired, stoppedWhy: "fork", progressMs: 5 },
      collector: { busyRetry: tired, enrolRetry: tired },
    });
    const step = at(delivered);
    expect(step.flight!.stage).toBe("delivered");
    expect(step.chain).toMatchObject({
      resume: "done",
      stallLevel: 0,
      progressMs: NOW,
      retry: RESTED,
      stoppedWhy: undefined,
    });
    expect(step.fibre).toMatchObject({
      retry: RESTED,
      ended: RESTED,
      sendRetry: RESTED,
      sendAfterMs: 0,
      unproven: false,
      lastError: undefined,
      trouble: undefined,
      answeredMs: NOW,
      answers: 1,
    });
    expect(step.state.collector).toMatchObject({ busyRetry: RESTED, enrolRetry: RESTED });
    expect(step.reports).toEqual([{ event: "chain-resumed", lane: 1, epoch: 0 }]);
    expect(step.state.paths.paths[0]!.lastReceiptMs).toBe(NOW);
  });

  test("of what was on its way when the chain stopped lets it wait on", () => {
    const tired = { attempts: 3, delayMs: 5 };
    const chain = { blockedUntilMs: NOW + 50, stoppedWhy: "fork", retry: tired };
    const step = world({ flights: [{}], chain }).at(delivered);
    expect(step.chain).toMatchObject({ ...chain, progressMs: NOW });
    expect(step.reports).toEqual([]);
    const goes = world({ flights: [{}], chain: { retry: tired } }).at(delivered);
    expect([goes.reports, goes.chain!.retry]).toEqual([[], RESTED]);
  });

  test.each<
    [string, tookMs: number, session: Partial<SessionState>, flight: Partial<Flight>, after: Partial<SessionState>]
  >([
    ["a shorter trip is the base", 16, {}, {}, { baseMs: 16, lengthMs: 12, rttMs: 19.5 }],
    ["a longer one raises it slowly", 120, {}, {}, { baseMs: 21, lengthMs: 12, rttMs: 32.5 }],
    ["an equal one leaves it", 20, {}, {}, { baseMs: 20, rttMs: 20 }],
    ["the shortest is the path's length", 8, {}, {}, { baseMs: 8, lengthMs: 8, rttMs: 18.5 }],
    ["a large request says nothing of the trip", 28, {}, { bytes: 64 * KIB + 1 }, { rttMs: 20 }],
    ["one just small enough does", 28, {}, { bytes: 64 * KIB }, { rttMs: 21 }],
  ])("measures: %s", (_, tookMs, session, flight, after) => {
    const { at } = world({ fibre: { ...steady, ...session }, flights: [{ sentMs: NOW - tookMs, ...flight }] });
    expect(at(delivered).fibre).toMatchObject(after);
  });

  // With a base of 0 the excess is 99 % of what it took; the target is 50 ms on a short path.
  const fast = { ...steady, baseMs: 0, lengthMs: 12 };
  test.each<[string, tookMs: number, session: Partial<SessionState>, bytes: number, requestBytes: number]>([
    ["a full request in good time doubles", 20, {}, 128 * KIB, 256 * KIB],
    ["half full is full enough", 20, {}, 64 * KIB, 256 * KIB],
    ["less is not", 20, {}, 64 * KIB - 1, 128 * KIB],
    ["near the target it stays", 51, {}, 128 * KIB, 128 * KIB],
    ["up to twice the target", 101, {}, 128 * KIB, 128 * KIB],
    ["beyond it halves", 102, {}, 128 * KIB, 64 * KIB],
    ["whatever its size", 102, {}, 1, 64 * KIB],
    ["not below the least", 102, { requestBytes: 9 * KIB }, 1, 8 * KIB],
    ["not above the most", 20, { requestBytes: 700 * KIB }, MIB, MIB],
    ["a long path has a longer target", 102, { lengthMs: 100 }, 128 * KIB, 256 * KIB],
    ["to its trips", 122, { lengthMs: 100 }, 128 * KIB, 128 * KIB],
    ["the first on a path that traffic moved to shows four times as much", 60, { unproven: true }, 1, 512 * KIB],
    ["and twice that if it was full", 20, { unproven: true }, 256 * KIB, MIB],
    ["not above the most either", 60, { unproven: true, requestBytes: 512 * KIB }, 1, MIB],
  ])("sizes the next request: %s", (_, tookMs, session, bytes, requestBytes) => {
    const { at } = world({ fibre: { ...fast, ...session }, flights: [{ sentMs: NOW - tookMs, bytes }] });
    expect(at(delivered).fibre.requestBytes).toBe(requestBytes);
  });

  test("that is durable ends its request; one that could not be made so stops the chain for a second", () => {
    const { at } = world({ flights: [{ stage: "delivered" }, { stage: "delivered" }] });
    const well = at({ kind: "settled", flight: 1 });
    expect([[...well.state.flights.keys()], well.reports]).toEqual([[2], []]);
    const ill = at({ kind: "settled", flight: 2, failure: "disk" });
    expect(ill.state.flights.size).toBe(0);
    const told = { event: "chain-stopped", lane: 1, epoch: 0, failure: "not-durable", detail: "disk", retryInMs: 1000 };
    expect(ill.reports).toEqual([told]);
    expect(ill.chain).toMatchObject({ blockedUntilMs: NOW + 1000, stoppedWhy: "disk" });
  });
});

describe("a request that failed", () => {
  test.each<[LinkFailure, answered: boolean]>([
    ["unreachable", false],
    ["not-processed", false],
    ["identity", false],
    ["busy", true],
    ["not-enrolled", true],
    ["refused", true],
    ["fork", true],
    ["stripped", true],
  ])("was answered or not: %s", (failure, answered) => {
    const { at } = world({ flights: [{}], fibre: { answeredMs: 77 } });
    const step = at(failed(failure));
    expect(step.flight).toBeUndefined();
    expect(step.fibre.answeredMs).toBe(answered ? NOW : 77);
  });

  test.each(["fork", "refused"] as const)("stops its chain alone: %s", (failure) => {
    const { reports, chain, state } = world({ flights: [{}], chain: {} }).at(failed(failure));
    expect(reports).toEqual([{ event: "chain-stopped", lane: 1, epoch: 0, failure, detail: "why", retryInMs: 22_500 }]);
    expect(chain).toMatchObject({ blockedUntilMs: NOW + 22_500, retry: { attempts: 1, delayMs: 22_500 } });
    expect(state.paths.paths[0]!.failures).toBe(0);
  });

  test("counts against its path once for all that left before", () => {
    for (const [sendAfterMs, attempts] of [[NOW - 10, 1] as const, [NOW - 9, 0] as const]) {
      const { fibre } = world({ flights: [{}], fibre: { sendAfterMs } }).at(failed("unreachable"));
      expect(fibre.sendRetry.attempts).toBe(attempts);
    }
  });
});

describe("a question for a receipt", () => {
  const asked = { path: "fibre", atMs: NOW - 50 };
  test("that is answered lets the backlog go", () => {
    const step = world({ chain: { resume: "asking", asked } }).at({ kind: "answered", path: "fibre", ...CHAIN });
    expect(step.chain!.resume).toBe("done");
    expect(step.fibre).toMatchObject({ answers: 1, answeredMs: NOW });
  });

  test.each<[LinkFailure, resume: string, answered: boolean]>([
    ["busy", "due", true],
    ["not-enrolled", "due", true],
    ["identity", "due", false],
    ["unreachable", "done", false],
    ["not-processed", "done", false],
    ["fork", "done", true],
    ["refused", "done", true],
  ])("that fails is asked again or not: %s", (failure, resume, answered) => {
    const { at } = world({ chain: { resume: "asking", asked }, fibre: { answeredMs: 77 } });
    const step = at(query(failure));
    expect(step.chain!.resume).toBe(resume);
    expect(step.fibre.answeredMs).toBe(answered ? NOW : 77);
    if (failure === "fork" || failure === "refused") {
      expect([step.reports, step.chain!.blockedUntilMs]).toEqual([[], 0]);
      expect(step.state.paths.paths[0]!.failures).toBe(0);
    }
  });

  test("keeps the collector's time", () => {
    const step = world({ chain: {} }).at(query("busy", { retryAfterMs: 4321 }));
    expect(step.state.collector.busyUntilMs).toBe(NOW + 4321);
    expect(step.reports).toEqual([{ event: "collector-busy", detail: "why", retryInMs: 4321 }]);
  });

  test.each<[string, chain: Partial<ChainState>, lte: Partial<SessionState>, counts: boolean]>([
    ["asked before the path last failed", { resume: "asking", asked }, {}, false],
    ["asked after that", { resume: "asking", asked: { ...asked, atMs: NOW - 20 } }, {}, true],
    ["no longer waited for", { resume: "done", asked }, {}, true],
    ["asked on another path", { resume: "asking", asked: { ...asked, path: "lte" } }, {}, true],
    ["of a trial before that", { resume: "done" }, { trial: { path: "fibre", atMs: NOW - 50 } }, false],
    ["of a trial after that", { resume: "done" }, { trial: { path: "fibre", atMs: NOW - 20 } }, true],
    ["of a trial on another path", { resume: "done" }, { trial: { path: "lte", atMs: NOW - 50 } }, true],
  ])("fails with all that left before the path failed: %s", (_, chain, lte, counts) => {
    const fibre = { sendAfterMs: NOW - 30, sendRetry: { attempts: 1, delayMs: 1 } };
    const step = world({ chain, lte, fibre }).at(query("unreachable"));
    expect(step.fibre.sendRetry.attempts).toBe(counts ? 2 : 1);
  });
});

describe("enrolment", () => {
  test("is told with its state and whether the claim was taken", () => {
    for (const [claimNotTaken, detail] of [[false, ""] as const, [true, "the claim code was not taken"] as const]) {
      const { at } = world({ enrols: true });
      const step = at({ kind: "enrolled", path: "fibre", state: "pending", claimNotTaken });
      expect(step.reports).toEqual([{ event: "enrolment", state: "pending", detail }]);
      expect(step.state.collector).toMatchObject({ claimNotTaken, enrolment: "pending", enrolAtMs: NOW + 11_250 });
      expect(step.wakes).toEqual([NOW + 11_250]);
    }
  });
});

describe("when to look again", () => {
  test.each<[string, World, wakeAtMs: number | undefined]>([
    ["nothing is due", {}, undefined],
    ["a closed session", { lte: { status: "closed", retryAtMs: NOW + 70, hurryAtMs: NOW + 30 } }, NOW + 70],
    [
      "the same while something waits that no path takes",
      {
        paths: [FIBRE],
        fibre: { status: "closed", retryAtMs: NOW + 70, hurryAtMs: NOW + 30 },
        pending: [[0, 0]],
        state: { paths: initialForward([FIBRE], { settings: FORWARD_SETTINGS, enrols: false }).paths },
      },
      NOW + 30,
    ],
    ["one that is being opened", { lte: { status: "opening", retryAtMs: NOW + 70 } }, undefined],
    ["a path whose requests failed", { fibre: { sendAfterMs: NOW + 60, retryAtMs: NOW + 5 } }, NOW + 60],
    ["a time that is over", { fibre: { sendAfterMs: NOW } }, undefined],
    ["a chain that is stopped", { chain: { blockedUntilMs: NOW + 50 } }, NOW + 50],
    ["batches that could not be read", { chain: { unreadableUntilMs: NOW + 40 } }, NOW + 40],
    ["a busy collector", { collector: { busyUntilMs: NOW + 30 } }, NOW + 30],
    ["an enrolment to be asked for", { enrols: true, collector: { enrolAtMs: NOW + 20 } }, NOW + 20],
    ["one that nobody needs", { collector: { enrolAtMs: NOW + 20 } }, undefined],
    ["the soonest of them", { chain: { blockedUntilMs: NOW + 50 }, collector: { busyUntilMs: NOW + 30 } }, NOW + 30],
    ["a successor", { fibre: { succession: { step: "due", sinceMs: NOW }, retryAtMs: NOW + 90 } }, NOW + 90],
    [
      "the end of its time",
      { fibre: { succession: { step: "opening", sinceMs: NOW }, retryAtMs: NOW + 90 } },
      NOW + 2000,
    ],
    ["nothing new before the end", { chain: { blockedUntilMs: NOW + 50 }, state: { stopping: true } }, undefined],
  ])("%s", (_, parts, wakeAtMs) => {
    const { at } = world({ ...parts, state: { ...parts.state, wakeAtMs: 5 } });
    expect(at({ kind: "tick" }).wakes).toEqual([wakeAtMs]);
    expect(at({ kind: "tick" }).wakes).toEqual([]);
  });

  test("a path whose time has come is decided about first", () => {
    const { at, state } = world();
    const paths = state.paths.paths.map((path) => ({ ...path, brownOutUntilMs: path.config.name === "lte" ? NOW : 0 }));
    const due = world({ state: { paths: { ...state.paths, paths, wakeAtMs: NOW } } });
    expect(due.at({ kind: "tick" }, NOW - 1).state.paths.wakeAtMs).toBe(NOW);
    expect(due.at({ kind: "tick" }).state.paths.wakeAtMs).toBeUndefined();
    expect(at({ kind: "tick" }).state.paths.wakeAtMs).toBeUndefined();
  });

  test("after a stop nothing is started", () => {
    const { at } = world({ pending: [[0, 3]], lte: { status: "closed" } });
    const step = at({ kind: "stop" });
    expect([step.state.stopping, step.actions]).toEqual([true, []]);
  });
});
