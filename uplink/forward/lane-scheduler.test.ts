import { contains, type Ranges } from "@paddock/base/ranges.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseNext, creditAfter, gatherMs, nextPaceMs, type ChainView, type Room } from "./lane-scheduler.ts";

const ROOM: Room = {
  requests: 4,
  otherRequests: 4,
  backlogRequests: 3,
  requestBytes: 1000,
  pipelineDepth: 1,
  alarmDepth: 1,
  rttMs: 100,
  nowMs: 1000,
  lanes: [0, 1, 2],
  backlogCredit: 0,
};

function view(lane: Lane, sendable: Ranges, more: Partial<ChainView> = {}): ChainView {
  return {
    lane,
    epoch: 0,
    sendable,
    liveFrom: Number.POSITIVE_INFINITY,
    bytesPerBatch: 1000,
    inFlight: { live: 0, backlog: 0 },
    sentMs: { live: 0, backlog: 0 },
    gatherUntilMs: { live: 0, backlog: 0 },
    backlogHeld: false,
    ...more,
  };
}

describe("order of lanes", () => {
  const telemetry = view(1, [[0, 99]], { liveFrom: 90 });
  const bulk = view(2, [[0, 9]], { liveFrom: 5 });

  test("alarm goes first, old and new, and oldest first", () => {
    const alarm = view(0, [[7, 9]]);
    expect(chooseNext([telemetry, bulk, alarm], ROOM, "live-first")).toMatchObject({ lane: 0, first: 7, last: 9 });
  });

  test("then what was sealed just now, then the backlog from its oldest on, then bulk", () => {
    expect(chooseNext([bulk, telemetry], ROOM, "live-first")).toMatchObject({
      lane: 1,
      kind: "live",
      first: 90,
      last: 99,
    });
    const sent = view(1, [[0, 89]], { liveFrom: 90 });
    expect(chooseNext([bulk, sent], ROOM, "live-first")).toMatchObject({
      lane: 1,
      kind: "backlog",
      first: 0,
      last: 89,
    });
    expect(chooseNext([bulk], ROOM, "live-first")).toMatchObject({ lane: 2, kind: "backlog", first: 0, last: 9 });
  });

  test("oldest-first knows no live batches", () => {
    expect(chooseNext([telemetry], ROOM, "oldest-first")).toMatchObject({ kind: "backlog", first: 0, last: 99 });
    const fresh = { sendable: [[92, 99] as const], liveFrom: 90 };
    const all = { kind: "backlog", first: 92, last: 99 };
    expect(chooseNext([{ ...telemetry, ...fresh }], ROOM, "oldest-first")).toMatchObject(all);
    expect(chooseNext([{ ...bulk, ...fresh }], ROOM, "live-first")).toMatchObject(all);
  });

  test("an older epoch goes before a newer one", () => {
    const older = view(1, [[500, 510]]);
    const newer = view(1, [[0, 10]], { epoch: 1 });
    expect(chooseNext([newer, older], ROOM, "live-first")).toMatchObject({ epoch: 0, first: 500 });
  });
});

test("a chain with nothing to send leaves the turn to the next", () => {
  expect(chooseNext([view(0, [])], ROOM, "live-first")).toBeUndefined();
  expect(chooseNext([view(0, []), view(2, [[0, 9]])], ROOM, "live-first")).toMatchObject({ lane: 2 });
});

test("where other lanes have to wait, alarms do not", () => {
  const full = { ...ROOM, otherRequests: 0, backlogCredit: 10_000 };
  expect(chooseNext([view(1, [[0, 99]], { liveFrom: 90 }), view(2, [[0, 9]])], full, "live-first")).toBeUndefined();
  expect(chooseNext([view(1, [[0, 99]]), view(0, [[7, 9]])], full, "live-first")).toMatchObject({ lane: 0 });
});

describe("shares", () => {
  const both = view(1, [[0, 99]], { liveFrom: 90 });

  test("the backlog goes first when its credit covers a request", () => {
    const credit = { ...ROOM, backlogCredit: 1000 };
    // Up to the first live one, and not when there is nothing before that.
    expect(chooseNext([both], credit, "live-first")).toMatchObject({ kind: "backlog", first: 0, last: 89 });
    const fresh = view(1, [[90, 99]], { liveFrom: 90 });
    expect(chooseNext([fresh], credit, "live-first")).toMatchObject({ kind: "live", first: 90, last: 99 });
    expect(chooseNext([both], { ...ROOM, backlogCredit: 999 }, "live-first")).toMatchObject({ kind: "live" });
  });

  test("the backlog never takes the room that is kept for live batches", () => {
    const full = { ...ROOM, backlogRequests: 0, backlogCredit: 10_000 };
    expect(chooseNext([both], full, "live-first")).toMatchObject({ kind: "live" });
    expect(chooseNext([view(1, [[0, 9]])], full, "live-first")).toBeUndefined();
  });

  test("over any long run in which both compete, the backlog gets its floor", () => {
    const share = fc.double({ min: 0, max: 0.9, noNaN: true });
    fc.assert(
      fc.property(
        share,
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2000, maxLength: 2000 }),
        (floor, sizes) => {
          let credit = 0;
          const sent = { live: 0, backlog: 0 };
          for (const size of sizes) {
            const choice = chooseNext([both], { ...ROOM, backlogCredit: credit }, "live-first")!;
            const bytes = choice.kind === "live" ? size : 1000;
            sent[choice.kind] += bytes;
            credit = creditAfter(credit, choice.kind, bytes, floor, 20_000);
          }
          const total = sent.live + sent.backlog;
          expect(sent.backlog).toBeGreaterThanOrEqual(floor * total - 12_000);
          expect(sent.backlog).toBeLessThanOrEqual(floor * total + 2000);
        },
      ),
      { numRuns: 30 },
    );
  });
});

/** One more small batch of a chain with so many requests on their way, the newest since 1000 ms. */
function after(inFlight: number, lane: Lane = 1): ChainView {
  return view(lane, [[10, 10]], {
    liveFrom: 0,
    bytesPerBatch: 10,
    inFlight: { live: inFlight, backlog: 0 },
    sentMs: { live: 1000, backlog: 0 },
  });
}

describe("coalescing", () => {
  test("a small request at the growing end waits for the one in flight; a gap does not", () => {
    const busy = { live: 1, backlog: 0 };
    const small = view(1, [[10, 10]], { liveFrom: 0, bytesPerBatch: 10, inFlight: busy });
    expect(chooseNext([small], ROOM, "live-first")).toBeUndefined();
    // How small it is says its length, not where it stands.
    expect(chooseNext([{ ...small, sendable: [[1000, 1000]] }], ROOM, "live-first")).toBeUndefined();
    expect(chooseNext([small], { ...ROOM, pipelineDepth: 2 }, "live-first")).toMatchObject({ first: 10 });
    const gap = view(
      1,
      [
        [3, 3],
        [10, 10],
      ],
      { liveFrom: 0, bytesPerBatch: 10, inFlight: busy },
    );
    expect(chooseNext([gap], ROOM, "live-first")).toMatchObject({ first: 3, last: 3 });
    expect(
      chooseNext([view(1, [[10, 90]], { liveFrom: 0, bytesPerBatch: 10, inFlight: busy })], ROOM, "live-first"),
    ).toMatchObject({
      first: 10,
    });
  });

  test("the more are on their way, the longer the next small one keeps its distance, up to a round trip by the depth", () => {
    const deep = { ...ROOM, pipelineDepth: 5, rttMs: 500 };
    const at = (nowMs: number) => ({ ...deep, nowMs });
    expect(nextPaceMs([after(1)], at(1000))).toBe(1020);
    expect(chooseNext([after(1)], at(1019), "live-first")).toBeUndefined();
    expect(chooseNext([after(1)], at(1020), "live-first")).toMatchObject({ first: 10 });
    expect(nextPaceMs([after(4)], at(1000))).toBe(1080);
    // Only an answer helps then.
    expect(nextPaceMs([after(5)], at(1000))).toBeUndefined();
    expect(chooseNext([after(5)], at(9999), "live-first")).toBeUndefined();
    expect(nextPaceMs([after(1)], { ...at(1000), requests: 0 })).toBeUndefined();
    expect(nextPaceMs([{ ...after(1), sendable: [] }], at(1000))).toBeUndefined();
    expect(nextPaceMs([after(1)], { ...at(1000), otherRequests: 0 })).toBeUndefined();
    expect(nextPaceMs([after(1, 0)], { ...at(1000), otherRequests: 0, alarmDepth: 2 })).toBe(1125);
    expect(nextPaceMs([after(1)], { ...at(1000), lanes: [0] })).toBeUndefined();
    // Of several the soonest, in whatever order they stand.
    expect(nextPaceMs([after(1), after(4)], at(1000))).toBe(1020);
    expect(nextPaceMs([after(4), after(1)], at(1000))).toBe(1020);
  });

  test("also with nothing on its way a small request keeps its distance from one that carried much", () => {
    const small = view(1, [[10, 10]], { liveFrom: 0, bytesPerBatch: 10, gatherUntilMs: { live: 1008, backlog: 0 } });
    const at = (nowMs: number) => ({ ...ROOM, nowMs });
    expect(chooseNext([small], at(1007), "live-first")).toBeUndefined();
    expect(nextPaceMs([small], at(1007))).toBe(1008);
    expect(chooseNext([small], at(1008), "live-first")).toMatchObject({ first: 10 });
    expect(nextPaceMs([small], at(1008))).toBeUndefined();
    // Neither what is large by now, nor a gap, nor an alarm.
    expect(chooseNext([{ ...small, bytesPerBatch: 500 }], at(1000), "live-first")).toMatchObject({ first: 10 });
    const gap = { ...small, sendable: [[3, 3] as const, [10, 10] as const] };
    expect(chooseNext([gap], at(1000), "live-first")).toMatchObject({ first: 3, last: 3 });
    expect(chooseNext([{ ...small, lane: 0 }], at(1000), "live-first")).toMatchObject({ lane: 0, first: 10 });
    expect(nextPaceMs([{ ...small, lane: 0 }], at(1000))).toBeUndefined();
    // Of both distances the longer one.
    const deep = { ...ROOM, pipelineDepth: 5, rttMs: 500 };
    const pace = (live: number) => nextPaceMs([{ ...after(1), gatherUntilMs: { live, backlog: 1 } }], deep);
    expect([pace(1015), pace(1025)]).toEqual([1020, 1025]);
  });

  test.each([
    [0, 0],
    [1024, 1.25],
    [8 * 1024, 10],
    [16 * 1024, 20],
    [1024 * 1024, 20],
  ])("after %i bytes that is %f ms", (bytes, ms) => {
    expect(gatherMs(bytes)).toBe(ms);
  });

  test("backlog that waits for the collector's receipt holds back neither live batches nor other chains", () => {
    const held = view(1, [[0, 99]], { liveFrom: 99, backlogHeld: true });
    expect(chooseNext([held], ROOM, "live-first")).toMatchObject({ first: 99, kind: "live" });
    expect(chooseNext([view(1, [[0, 9]], { backlogHeld: true }), view(2, [[0, 1]])], ROOM, "live-first")).toMatchObject(
      { lane: 2 },
    );
  });
});

test("a choice is always one run of sendable seqs of an admitted lane", () => {
  const ranges = fc
    .uniqueArray(fc.integer({ min: 0, max: 200 }), { maxLength: 20 })
    .map((cuts) => cuts.toSorted((a, b) => a - b))
    .map((cuts) => cuts.map((cut): [number, number] => [cut * 10, cut * 10 + 5]));
  const chain = fc.record({
    lane: fc.constantFrom<Lane>(0, 1, 2),
    epoch: fc.integer({ min: 0, max: 3 }),
    sendable: ranges,
    liveFrom: fc.integer({ min: 0, max: 2500 }),
    bytesPerBatch: fc.integer({ min: 1, max: 5000 }),
    inFlight: fc.record({ live: fc.nat(4), backlog: fc.nat(4) }),
    sentMs: fc.record({ live: fc.nat(1100), backlog: fc.nat(1100) }),
    gatherUntilMs: fc.record({ live: fc.nat(1100), backlog: fc.nat(1100) }),
    backlogHeld: fc.boolean(),
  });
  const room = fc.record({
    requests: fc.nat(4),
    otherRequests: fc.nat(4),
    backlogRequests: fc.nat(4),
    requestBytes: fc.integer({ min: 1, max: 5000 }),
    pipelineDepth: fc.integer({ min: 1, max: 4 }),
    alarmDepth: fc.integer({ min: 1, max: 4 }),
    rttMs: fc.nat(500),
    nowMs: fc.constant(1000),
    lanes: fc.subarray<Lane>([0, 1, 2]),
    backlogCredit: fc.nat(5000),
  });
  fc.assert(
    fc.property(
      fc.array(chain, { maxLength: 5 }),
      room,
      fc.constantFrom("live-first", "oldest-first"),
      (chains, space, order) => {
        const choice = chooseNext(chains, space, order);
        if (choice === undefined) return;
        expect(space.requests).toBeGreaterThan(0);
        expect(choice.lane === 0 || space.otherRequests > 0).toBe(true);
        expect(space.lanes).toContain(choice.lane);
        expect(choice.last).toBeGreaterThanOrEqual(choice.first);
        const holds = chains.some(
          ({ lane, epoch, sendable }) =>
            lane === choice.lane &&
            epoch === choice.epoch &&
            sendable.some((range) => contains([range], choice.first) && contains([range], choice.last)),
        );
        expect(holds).toBe(true);
      },
    ),
  );
});
