import { describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import type { PathConfig } from "../paths/path-config.ts";
import { decide, draftOf, patchSession, type Draft } from "./forward-draft.ts";
import { mayUpload, openAtMs, roomOn } from "./forward-plan.ts";
import {
  FORWARD_SETTINGS,
  initialForward,
  type Flight,
  type ForwardSettings,
  type SessionState,
} from "./forward-state.ts";
import type { ChainBacklog } from "./ports.ts";

const endpoint = "https://[::1]:8443";
const FIBRE: PathConfig = { name: "fibre", endpoint, preference: 100 };
const LTE: PathConfig = {
  name: "lte",
  endpoint,
  preference: 10,
  metered: { bytesPerMonth: 1e9, billingDay: 1, lanes: [0, 1] },
};
const KIB = 1024;
const MIB = 1024 * KIB;

interface World {
  readonly flights?: readonly Partial<Flight>[];
  readonly session?: Partial<SessionState>;
  readonly settings?: Partial<ForwardSettings>;
  readonly backlog?: readonly ChainBacklog[];
}

/** The first session is open, with requests of 128 KiB, a round trip of 10 ms and a length of 5 ms. */
function world({ flights = [], session = {}, settings: more = {}, backlog = [] }: World): Draft {
  const settings = { ...FORWARD_SETTINGS, ...more };
  const draft = draftOf(initialForward([FIBRE, LTE], { settings, enrols: false }), {
    nowMs: 5000,
    wallMs: 1_750_000_000_000,
    backlog: () => backlog,
    random: seededRandom(1),
    settings,
  });
  patchSession(draft, "fibre", { status: "open", rttMs: 10, lengthMs: 5, requestBytes: 128 * KIB, ...session });
  for (const [id, flight] of flights.entries()) {
    draft.flights.set(id, {
      id,
      path: "fibre",
      lane: 1,
      epoch: 0,
      kind: "live",
      first: id,
      last: id,
      stage: "sent",
      bytes: KIB,
      records: 1,
      sentMs: 0,
      copy: false,
      ...flight,
    });
  }
  return draft;
}

const flying = (count: number, flight: Partial<Flight>): Partial<Flight>[] =>
  Array.from({ length: count }, () => flight);

describe("the room on a path", () => {
  test("one request is kept for an alarm, and a quarter of the others for what is live", () => {
    expect(roomOn(world({}), "fibre")).toMatchObject({
      requests: 16,
      otherRequests: 15,
      backlogRequests: 11,
      requestBytes: 128 * KIB,
      rttMs: 10,
      nowMs: 5000,
      lanes: [0, 1, 2],
    });
    expect(roomOn(world({}), "lte").lanes).toEqual([0, 1]);
  });

  test.each<[string, readonly Partial<Flight>[], requests: number, others: number, backlog: number]>([
    ["three alarms, and the next", flying(3, { lane: 0 }), 13, 12, 9],
    ["half of all and no more for alarms", flying(10, { lane: 0 }), 6, 8, 6],
    ["all for alarms", flying(16, { lane: 0 }), 0, 8, 6],
    ["more than all", flying(20, { lane: 0 }), 0, 8, 6],
    ["two live ones", flying(2, {}), 14, 13, 11],
    ["two of the backlog", flying(2, { kind: "backlog" }), 14, 13, 9],
    ["one that is being read", flying(1, { stage: "reading" }), 15, 14, 11],
    ["those that are delivered do not count", flying(5, { stage: "delivered" }), 16, 15, 11],
    ["nor those on the other path", flying(5, { path: "lte" }), 16, 15, 11],
    // Four requests' worth is the window of the others, three of them that of the backlog.
    ["the window, to the byte", flying(3, { bytes: 128 * KIB }), 13, 12, 11],
    ["beyond it by one", [...flying(2, { bytes: 128 * KIB }), { bytes: 128 * KIB + 1 }], 13, 0, 11],
    ["that of the backlog, to the byte", flying(2, { kind: "backlog", bytes: 128 * KIB }), 14, 13, 9],
    ["beyond it", flying(2, { kind: "backlog", bytes: 128 * KIB + 1 }), 14, 13, 0],
    ["alarms fill no window", flying(2, { lane: 0, bytes: MIB }), 14, 13, 9],
    ["but the whole, to the byte", flying(1, { lane: 0, bytes: 8 * MIB - 128 * KIB }), 15, 14, 10],
    ["and beyond", flying(1, { lane: 0, bytes: 8 * MIB - 128 * KIB + 1 }), 0, 14, 10],
    ["one that is larger than its window alone", flying(1, { kind: "backlog", bytes: MIB }), 15, 0, 0],
  ])("%s", (_, flights, requests, otherRequests, backlogRequests) => {
    expect(roomOn(world({ flights }), "fibre")).toMatchObject({ requests, otherRequests, backlogRequests });
  });

  test("one small request shows first that a path works, beside it go alarms", () => {
    const session = { unproven: true };
    expect(roomOn(world({ session }), "fibre")).toMatchObject({ requests: 16, otherRequests: 1, backlogRequests: 1 });
    const flights = flying(1, {});
    expect(roomOn(world({ session, flights }), "fibre")).toMatchObject({ requests: 15, otherRequests: 0 });
  });

  test("on a path that is busy with what was sent, few are on their way", () => {
    const few = { requests: 4, otherRequests: 3, backlogRequests: 2 };
    expect(roomOn(world({ session: { rttMs: 61 } }), "fibre")).toMatchObject(few);
    expect(roomOn(world({ session: { rttMs: 60 } }), "fibre")).toMatchObject({ requests: 16 });
    const full = { rttMs: 61, requestBytes: MIB };
    expect(roomOn(world({ session: full }), "fibre")).toMatchObject({ requests: 16 });
    const settings = { requestsInFlight: 2 };
    expect(roomOn(world({ session: { rttMs: 61 }, settings }), "fibre")).toMatchObject({ requests: 2 });
  });

  test("a long and fast path may be filled, a short one not", () => {
    const flights = flying(5, { bytes: MIB });
    const session = { requestBytes: MIB, lengthMs: 100 };
    expect(roomOn(world({ session, flights }), "fibre").otherRequests).toBe(10);
    expect(roomOn(world({ session: { ...session, lengthMs: 99 }, flights }), "fibre").otherRequests).toBe(0);
    expect(roomOn(world({ session: { ...session, requestBytes: MIB - 1 }, flights }), "fibre").otherRequests).toBe(0);
    const settings = { bytesInFlight: 2 * MIB };
    const two = flying(2, { bytes: MIB });
    expect(roomOn(world({ session: { requestBytes: MIB }, flights: two, settings }), "fibre").otherRequests).toBe(0);
  });

  test.each<[string, Partial<SessionState>, depth: number, alarms: number]>([
    ["short and quick", {}, 1, 1],
    ["one more for each 6 ms of length", { lengthMs: 6 }, 2, 2],
    ["ten more", { lengthMs: 60 }, 11, 8],
    ["never all", { lengthMs: 600 }, 15, 8],
    ["one more for each 20 ms of waiting", { rttMs: 20 }, 2, 2],
    ["up to four", { rttMs: 60 }, 4, 4],
    ["and not beyond", { rttMs: 600 }, 4, 2],
  ])("small requests together: %s", (_, session, pipelineDepth, alarmDepth) => {
    expect(roomOn(world({ session }), "fibre")).toMatchObject({ pipelineDepth, alarmDepth });
  });

  test("with one request at a time everybody gets one", () => {
    const settings = { requestsInFlight: 1 };
    expect(roomOn(world({ settings }), "fibre")).toMatchObject({
      requests: 1,
      otherRequests: 1,
      backlogRequests: 1,
      pipelineDepth: 1,
      alarmDepth: 1,
    });
  });
});

function waits(lane: 0 | 1 | 2): ChainBacklog {
  return { lane, epoch: 0, pending: [[0, 0]], bytes: 1, records: 1 };
}

function at(draft: Draft): number {
  return openAtMs(draft, draft.sessions.get("fibre")!);
}

describe("when a closed session is opened again", () => {
  const closed = { status: "closed", retryAtMs: 9000, hurryAtMs: 6000 } as const;

  test("soon while something waits that no path takes", () => {
    expect(at(world({ session: closed, backlog: [waits(1)] }))).toBe(6000);
    expect(at(world({ session: { ...closed, hurryAtMs: 9500 }, backlog: [waits(1)] }))).toBe(9000);
  });

  test("else when its back-off ends", () => {
    expect(at(world({ session: closed }))).toBe(9000);
    expect(at(world({ session: closed, backlog: [{ ...waits(1), pending: [] }] }))).toBe(9000);
  });

  test("a path that works takes its lanes and no others", () => {
    for (const [lane, expected] of [[0, 9000] as const, [1, 9000] as const, [2, 6000] as const]) {
      const draft = world({ session: closed, backlog: [waits(lane)] });
      patchSession(draft, "lte", { status: "open" });
      decide(draft, { kind: "session-open", path: "lte" });
      expect([lane, at(draft)]).toEqual([lane, expected]);
    }
  });
});

test("nothing is uploaded before the collector knows the gateway", () => {
  const states = ["approved", "assumed", "pending", "denied", "unknown"] as const;
  const allowed = states.filter((enrolment) => {
    const draft = world({});
    draft.collector = { ...draft.collector, enrolment };
    return mayUpload(draft);
  });
  expect(allowed).toEqual(["approved", "assumed"]);
});
