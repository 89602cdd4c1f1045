import { describe, expect, test } from "vitest";
import type { Random } from "@paddock/base/random.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { PathConfig } from "../paths/path-config.ts";
import { chainOf, decide, draftOf, patchChain, patchSession, type Draft } from "./forward-draft.ts";
import { openSessions, plan } from "./forward-plan.ts";
import {
  chainNumber,
  FORWARD_SETTINGS,
  initialForward,
  type ChainState,
  type CollectorState,
  type Flight,
  type ForwardAction,
  type ForwardSettings,
  type SessionState,
} from "./forward-state.ts";
import type { ChainBacklog } from "./ports.ts";

/** What is started at one moment: questions, requests and sessions, over which path, and what that leaves. */

const endpoint = "https://[::1]:8443";
const FIBRE: PathConfig = { name: "fibre", endpoint, preference: 100 };
const LTE: PathConfig = { name: "lte", endpoint, preference: 10 };
const RADIO: PathConfig = { name: "radio", endpoint, preference: 5 };
const METERED = { bytesPerMonth: 1e9, billingDay: 1, lanes: [0, 1] } as const;
const KIB = 1024;
const NOW = 50_000;

interface World {
  readonly paths?: readonly PathConfig[];
  /** All paths are open unless named here. */
  readonly closed?: readonly string[];
  readonly backlog?: readonly Partial<ChainBacklog>[];
  readonly flights?: readonly Partial<Flight>[];
  readonly chain?: Partial<ChainState>;
  readonly fibre?: Partial<SessionState>;
  readonly collector?: Partial<CollectorState>;
  readonly settings?: Partial<ForwardSettings>;
}

/** Requests of 128 KiB, a round trip of 10 ms; the chain of telemetry may send its backlog. */
function world(parts: World): Draft {
  const { paths = [FIBRE, LTE], closed = [], backlog = [], flights = [], chain, fibre, collector } = parts;
  const settings = { ...FORWARD_SETTINGS, ...parts.settings };
  const usual: ChainBacklog = { lane: 1, epoch: 0, pending: [[0, 9]], bytes: 10 * KIB, records: 10 };
  const chains = backlog.map((each): ChainBacklog => Object.assign({}, usual, each));
  const draft = draftOf(initialForward(paths, { settings, enrols: false }), {
    nowMs: NOW,
    wallMs: 1_750_000_000_000,
    backlog: () => chains,
    random: { float: () => 0.5 } as Random,
    settings,
  });
  for (const { name } of paths) {
    if (closed.includes(name)) continue;
    patchSession(draft, name, { status: "open", rttMs: 10, lengthMs: 5, openedAtMs: NOW });
    decide(draft, { kind: "session-open", path: name });
    patchSession(draft, name, { unproven: false, requestBytes: 128 * KIB });
  }
  if (fibre !== undefined) patchSession(draft, "fibre", fibre);
  for (const lane of [0, 1, 2] as const) patchChain(draft, { lane, epoch: 0 }, { resume: "done", ...chain });
  for (const [id, flight] of flights.entries()) {
    const whole: Flight = {
      id: -1 - id,
      path: "fibre",
      lane: 1,
      epoch: 0,
      kind: "backlog",
      first: 0,
      last: 0,
      stage: "sent",
      bytes: KIB,
      records: 1,
      sentMs: NOW,
      copy: false,
      ...flight,
    };
    draft.flights.set(whole.id, whole);
  }
  draft.collector = { ...draft.collector, ...collector };
  draft.actions.length = 0;
  return draft;
}

type Of<Kind extends ForwardAction["kind"]> = Extract<ForwardAction, { kind: Kind }>;

function planned(parts: World) {
  const draft = world(parts);
  plan(draft);
  const of = <Kind extends ForwardAction["kind"]>(kind: Kind) =>
    draft.actions.filter((action): action is Of<Kind> => action.kind === kind);
  return {
    draft,
    sends: of("send").map(({ path, lane, first, last }) => [path, lane, first, last]),
    queries: of("query"),
    enrols: of("enrol"),
    flights: [...draft.flights.values()].filter(({ id }) => id > 0),
  };
}

const live = (seq: number, atMs: number): World => ({
  backlog: [{ pending: [[5, 9]] }],
  chain: { resume: "due", marks: [{ seq, atMs }] },
});

const opened = (parts: World) => {
  const draft = world(parts);
  openSessions(draft);
  return { actions: draft.actions, status: draft.sessions.get("fibre")!.status };
};

describe("a request", () => {
  test("takes what waits, and is noted with what it may weigh", () => {
    const { draft, flights } = planned({ backlog: [{ pending: [[5, 9]], bytes: 5000 }] });
    expect(draft.actions).toEqual([
      { kind: "send", flight: 1, path: "fibre", lane: 1, epoch: 0, first: 5, last: 9, maxBytes: 128 * KIB },
    ]);
    expect(flights).toEqual([
      {
        id: 1,
        path: "fibre",
        lane: 1,
        epoch: 0,
        kind: "backlog",
        first: 5,
        last: 9,
        stage: "reading",
        bytes: 5000,
        records: 0,
        sentMs: NOW,
        copy: false,
      },
    ]);
    expect(draft.nextFlight).toBe(2);
  });

  test("weighs no more than what it may, nor less than a byte a batch", () => {
    const bytesOf = (pending: ChainBacklog["pending"], bytes: number) =>
      planned({ backlog: [{ pending, bytes }] }).flights[0]!.bytes;
    expect(bytesOf([[0, 9]], 10_000_000)).toBe(128 * KIB);
    expect(bytesOf([[0, 9]], 0)).toBe(10);
    const gap = [[0, 1] as const, [10, 13] as const];
    expect(planned({ backlog: [{ pending: gap, bytes: 600 * KIB }] }).flights.map(({ bytes }) => bytes)).toEqual([
      128 * KIB,
      128 * KIB,
    ]);
    expect(bytesOf(gap, 6001)).toBe(2001);
  });

  test("of a chain that nobody knew notes it", () => {
    const { draft } = planned({
      backlog: [{ epoch: 7 }],
      settings: { order: "oldest-first" },
    });
    expect(draft.chains.get(chainNumber({ lane: 1, epoch: 7 }))).toMatchObject({ resume: "asking" });
    const marks = [{ seq: 3, atMs: NOW }];
    const known = planned({ backlog: [{}], chain: { marks } });
    expect(chainOf(known.draft, { lane: 1, epoch: 0 }).marks).toEqual(marks);
  });

  test("passes over what is on its way, what could not be read, and chains that wait", () => {
    const backlog = [{ pending: [[0, 99]] as const, bytes: 100 * 64 * KIB }];
    const sentOf = (parts: World) => planned({ backlog, ...parts }).sends.map(([, , first, last]) => [first, last]);
    expect(sentOf({ flights: [{ first: 0, last: 20 }] })[0]).toEqual([21, 99]);
    expect(sentOf({ flights: [{ first: 0, last: 20, stage: "delivered" }] })[0]).toEqual([21, 99]);
    expect(sentOf({ flights: [{ first: 0, last: 20, epoch: 3 }] })[0]).toEqual([0, 99]);
    const unreadable = [[0, 4]] as const;
    expect(sentOf({ chain: { unreadable, unreadableUntilMs: NOW + 1 } })[0]).toEqual([5, 99]);
    expect(sentOf({ chain: { unreadable, unreadableUntilMs: NOW } })[0]).toEqual([0, 99]);
    expect(sentOf({ chain: { blockedUntilMs: NOW + 1 } })).toEqual([]);
    expect(sentOf({ chain: { blockedUntilMs: NOW } })[0]).toEqual([0, 99]);
  });

  test("leaves only over a path that takes some now", () => {
    const backlog = [{}];
    expect(planned({ backlog, fibre: { sendAfterMs: NOW + 1 } }).sends).toEqual([]);
    expect(planned({ backlog, fibre: { sendAfterMs: NOW } }).sends).toHaveLength(1);
    expect(planned({ backlog, fibre: { succession: { step: "due", sinceMs: NOW } } }).sends).toEqual([]);
    expect(planned({ backlog, closed: ["fibre", "lte"] }).sends).toEqual([]);
    expect(planned({ backlog, collector: { busyUntilMs: NOW + 1 } }).sends).toEqual([]);
    expect(planned({ backlog, collector: { busyUntilMs: NOW } }).sends).toHaveLength(1);
    const stopped = world({ backlog });
    stopped.stopping = true;
    plan(stopped);
    expect(stopped.actions).toEqual([]);
  });

  test.each<[string, flight: Partial<Flight>, waits: boolean]>([
    ["while one like it is on its way", {}, true],
    ["while one is being read", { stage: "reading" }, true],
    ["not for one that is delivered", { stage: "delivered" }, false],
    ["not for one of another kind", { kind: "live" }, false],
    ["not for a copy", { copy: true }, false],
    ["not for one of another chain", { epoch: 2 }, false],
  ])("that is small waits for company: %s", (_, flight, waits) => {
    const small = { backlog: [{ pending: [[0, 9]] as const, bytes: 1000 }] };
    const { sends } = planned({ ...small, flights: [{ first: 0, last: 4, ...flight }] });
    expect(sends).toEqual(waits ? [] : [["fibre", 1, flight.epoch === 2 ? 0 : 5, 9]]);
  });

  test("that is small and may follow soon has a time for that", () => {
    const small = [{ pending: [[0, 9]] as const, bytes: 1000 }];
    const long = { lengthMs: 60, rttMs: 120 };
    const newest = { first: 0, last: 4, sentMs: NOW - 0.5 };
    const flights = [{ ...newest, bytes: 1 }];
    const { draft, sends } = planned({ backlog: small, fibre: long, flights });
    expect(sends).toEqual([]);
    // Eleven may be on their way together: 120 ms / 11^2 after the newest.
    expect(draft.paceAtMs).toBeCloseTo(NOW - 0.5 + 120 / 121, 9);
    const older = planned({
      backlog: small,
      fibre: long,
      flights: [...flights, { first: 5, last: 5, sentMs: NOW - 9, bytes: 1 }],
    });
    expect(older.draft.paceAtMs).toBeCloseTo(NOW - 0.5 + 240 / 121, 9);
    // And so that more goes with it: 20 ms after 16 KiB, and as much less after fewer.
    const gathers = planned({ backlog: small, fibre: long, flights: [newest] });
    expect(gathers.draft.paceAtMs).toBeCloseTo(NOW - 0.5 + 20 / 16, 9);
  });
});

describe("paths", () => {
  const all = ([0, 1, 2] as const).map((lane: Lane) => ({ lane }));
  const pathsOf = (parts: World) => planned({ backlog: all, ...parts }).sends.map(([path, lane]) => [path, lane]);

  test("the first takes what it may, the next the rest, each lane once", () => {
    expect(pathsOf({})).toEqual([0, 1, 2].map((lane) => ["fibre", lane]));
    const metered = { ...FIBRE, metered: METERED };
    expect(pathsOf({ paths: [metered, LTE, RADIO] })).toEqual([
      ["fibre", 0],
      ["fibre", 1],
      ["lte", 2],
    ]);
    expect(pathsOf({ paths: [metered, LTE, RADIO], closed: ["lte"] }).at(-1)).toEqual(["radio", 2]);
    expect(pathsOf({ paths: [metered, LTE], closed: ["lte"] })).toHaveLength(2);
    const alarms = { ...FIBRE, metered: { ...METERED, lanes: [0] as const } };
    const some = { ...LTE, metered: { ...METERED, lanes: [0, 1] as const } };
    expect(pathsOf({ paths: [alarms, some, RADIO] })).toEqual([
      ["fibre", 0],
      ["lte", 1],
      ["radio", 2],
    ]);
    expect(pathsOf({ paths: [alarms, some] })).toEqual([
      ["fibre", 0],
      ["lte", 1],
    ]);
  });

  test("the standby takes the rest before others of its standing, or of a better one", () => {
    const paths = [{ ...FIBRE, metered: METERED }, LTE, RADIO];
    const restOver = (more: Partial<Draft["paths"]>) => {
      const draft = world({ paths, backlog: [{ lane: 2 }] });
      draft.paths = { ...draft.paths, ...more };
      plan(draft);
      return draft.actions.flatMap((action) => (action.kind === "send" ? [action.path] : []));
    };
    const standings = new Map(world({ paths }).paths.standings);
    expect(restOver({ standby: "lte" })).toEqual(["lte"]);
    expect(restOver({ standby: "radio" })).toEqual(["radio"]);
    standings.set("radio", "suppressed");
    expect(restOver({ standby: "radio", standings })).toEqual(["radio"]);
    expect(restOver({ standby: undefined, standings })).toEqual(["lte"]);
    standings.set("radio", "unusable");
    expect(restOver({ standby: "radio", standings })).toEqual(["lte"]);
  });

  test("an alarm goes over a second one too, as a copy that keeps nothing else back", () => {
    const settings = { paths: { ...FORWARD_SETTINGS.paths, alarmTwice: true } };
    const { flights } = planned({ backlog: all, settings });
    expect(flights.map(({ path, lane, copy }) => [path, lane, copy])).toEqual([
      ["fibre", 0, false],
      ["fibre", 1, false],
      ["fibre", 2, false],
      ["lte", 0, true],
    ]);
    const again = planned({ backlog: [{ lane: 0 }], settings, flights: [{ lane: 0, last: 9, kind: "live" }] });
    expect(again.sends).toEqual([["lte", 0, 0, 9]]);
    const stuck = planned({
      backlog: [{ lane: 0 }],
      settings,
      flights: [{ lane: 0, last: 9, path: "lte", copy: true }],
    });
    expect(stuck.sends).toEqual([["fibre", 0, 0, 9]]);
  });
});

describe("a question for a receipt", () => {
  const due = { resume: "due" } as const;

  test("comes before old batches, once", () => {
    const { draft, queries, sends } = planned({ backlog: [{}], chain: due });
    expect(queries).toEqual([{ kind: "query", path: "fibre", lane: 1, epoch: 0 }]);
    expect(sends).toEqual([]);
    expect(chainOf(draft, { lane: 1, epoch: 0 })).toMatchObject({
      resume: "asking",
      asked: { path: "fibre", atMs: NOW },
    });
    draft.actions.length = 0;
    plan(draft);
    expect(draft.actions).toEqual([]);
  });

  test("is left out where nothing waits, the chain does, or it has an answer", () => {
    for (const parts of [
      { backlog: [{ pending: [] }], chain: due },
      { backlog: [{}], chain: { ...due, blockedUntilMs: NOW + 1 } },
      { backlog: [{}], chain: { resume: "asking" } as const },
      { backlog: [{}] },
    ])
      expect(planned(parts).queries).toEqual([]);
    expect(planned({ backlog: [{}], chain: { ...due, blockedUntilMs: NOW } }).queries).toHaveLength(1);
  });

  test("is left out before what is live, which goes at once", () => {
    expect(planned(live(5, NOW))).toMatchObject({ queries: [], sends: [["fibre", 1, 5, 9]] });
    expect(planned(live(5, NOW - 2000)).queries).toEqual([]);
    expect(planned(live(5, NOW - 2001))).toMatchObject({ queries: [{ lane: 1 }], sends: [] });
    expect(planned(live(6, NOW))).toMatchObject({ queries: [{ lane: 1 }], sends: [["fibre", 1, 6, 9]] });
    const bulk = { ...live(5, NOW), backlog: [{ lane: 2 as const, pending: [[5, 9]] as const }] };
    expect(planned(bulk)).toMatchObject({ queries: [{ lane: 2 }], sends: [] });
    expect(planned({ ...live(5, NOW), settings: { order: "oldest-first" } }).queries).toHaveLength(1);
  });
});

describe("enrolment", () => {
  test("is asked for when it is time, once, and nothing is sent before", () => {
    const unknown = { enrolment: "unknown", enrolAtMs: NOW } as const;
    const { draft, enrols, sends } = planned({ backlog: [{}], collector: unknown });
    expect([enrols, sends]).toEqual([[{ kind: "enrol", path: "fibre" }], []]);
    expect(draft.collector.enrolAsking).toBe(true);
    plan(draft);
    expect(draft.actions).toHaveLength(1);
    expect(planned({ collector: { ...unknown, enrolAtMs: NOW + 1 } }).enrols).toEqual([]);
  });
});

describe("a session", () => {
  const closed = { status: "closed", retryAtMs: NOW, hurryAtMs: NOW } as const;
  test("is opened when its time has come, in haste while something waits that no path takes", () => {
    const only = { paths: [FIBRE], closed: ["fibre"] };
    expect(opened({ ...only, fibre: closed })).toEqual({
      actions: [{ kind: "open", path: "fibre", hurry: false }],
      status: "opening",
    });
    expect(opened({ ...only, fibre: closed, backlog: [{}] }).actions).toMatchObject([{ hurry: true }]);
    expect(opened({ ...only, fibre: { ...closed, retryAtMs: NOW + 1 } })).toEqual({ actions: [], status: "closed" });
    expect(opened({ ...only, fibre: { ...closed, status: "opening" } }).actions).toEqual([]);
  });

  test("has its successor opened when that is due, and not twice", () => {
    const succession = { step: "due", sinceMs: NOW - 5 } as const;
    const draft = world({ fibre: { succession, retryAtMs: NOW } });
    openSessions(draft);
    openSessions(draft);
    expect(draft.actions).toEqual([{ kind: "open", path: "fibre", hurry: true }]);
    expect(draft.sessions.get("fibre")).toMatchObject({
      status: "open",
      succession: { step: "opening", sinceMs: NOW - 5 },
    });
    expect(opened({ fibre: { succession, retryAtMs: NOW + 1 } }).actions).toEqual([]);
  });
});
