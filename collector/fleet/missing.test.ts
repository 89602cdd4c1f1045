import { describe, expect, test } from "vitest";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { ChainSummary } from "@paddock/store/types.ts";
import type { GatewayRecord } from "@paddock/wire/gateway-record.ts";
import { judge, SILENT_AFTER_MS } from "./fleet-report.ts";
import { gapsOfLane, neverReceived } from "./missing.ts";
import { NOTHING_TOLD, tell } from "./told.ts";

function chain(epoch: number, held: Ranges, evicted: Ranges = []): ChainSummary {
  const seq = held.at(-1)?.[1];
  return {
    id: { gateway: Buffer.alloc(32), lane: 1, epoch },
    head: seq === undefined ? undefined : { seq, hash: Buffer.alloc(32) },
    held,
    trimmed: [],
    evicted,
  } as unknown as ChainSummary;
}

const told = (...records: GatewayRecord[]) => tell(NOTHING_TOLD, records);
const loss = (epoch: number, ranges: Ranges, reason = "evicted"): GatewayRecord => ({
  kind: "loss",
  reason,
  epoch,
  ranges,
  records: 1,
  bytes: 1,
});
const briefly = (gaps: ReturnType<typeof gapsOfLane>) =>
  gaps.map(({ epoch, cause, reason, ranges }) => [epoch, cause, reason, ranges]);

const change = (lastSeq: number | null): GatewayRecord => ({
  kind: "epoch-change",
  reason: "quarantined",
  previousEpoch: 0,
  lastSeq,
});

const lane = (lastSeq: number | null) => [
  { summary: chain(0, [[0, 4]]), told: NOTHING_TOLD },
  { summary: chain(1, [[0, 1]]), told: told(change(lastSeq)) },
];

describe("gaps", () => {
  test("what is below the head and not held was never received", () => {
    expect(
      neverReceived(
        chain(0, [
          [2, 3],
          [6, 6],
        ]),
      ),
    ).toEqual([
      [0, 1],
      [4, 5],
    ]);
    expect(neverReceived(chain(0, []))).toEqual([]);
  });

  test("a loss is explained by a record in this epoch or a later one, each by its own reason", () => {
    const epochs = [
      { summary: chain(0, [[0, 9]], [[0, 5]]), told: told(loss(0, [[0, 1]])) },
      { summary: chain(1, [[0, 3]], [[0, 0]]), told: told(loss(0, [[2, 2]], "quarantined"), loss(1, [[7, 7]])) },
    ];
    expect(briefly(gapsOfLane(epochs))).toEqual([
      [0, "evicted", "evicted", [[0, 1]]],
      [0, "evicted", "quarantined", [[2, 2]]],
      [0, "unexplained", null, [[3, 5]]],
      [1, "unexplained", null, [[0, 0]]],
    ]);
  });

  test("a loss that is told by two reasons is one loss, by the first of them", () => {
    const twice = told(loss(0, [[0, 3]]), { ...loss(0, [[2, 5]], "quarantined"), records: 8 } as GatewayRecord);
    expect(twice).toMatchObject({ lossRecords: 2, lostRecords: 5 });
    expect(tell(twice, [loss(0, [[1, 4]], "other")])).toEqual(twice);
    expect(briefly(gapsOfLane([{ summary: chain(0, [[0, 9]], [[0, 5]]), told: twice }]))).toEqual([
      [0, "evicted", "evicted", [[0, 3]]],
      [0, "evicted", "quarantined", [[4, 5]]],
    ]);
  });

  test("what this collector's disk took is nobody else's doing", () => {
    const epochs = [
      {
        summary: chain(0, [[0, 9]], [[2, 4]]),
        told: told(loss(0, [[2, 2]])),
        damaged: [
          [3, 3],
          [7, 7],
        ] as Ranges,
      },
    ];
    expect(briefly(gapsOfLane(epochs))).toEqual([
      [
        0,
        "damaged",
        null,
        [
          [3, 3],
          [7, 7],
        ],
      ],
      [0, "evicted", "evicted", [[2, 2]]],
      [0, "unexplained", null, [[4, 4]]],
    ]);
  });

  test("a later epoch tells how far the one before went", () => {
    expect(briefly(gapsOfLane(lane(6)))).toEqual([[0, "epoch-change", "quarantined", [[5, 6]]]]);
    expect(gapsOfLane(lane(4))).toEqual([]);
    expect(gapsOfLane(lane(null))).toEqual([]);
  });
});

describe("the verdict", () => {
  const fine = { missing: 0, unexplained: 0, damaged: 0, lostRecords: 0, clock: "synchronised" };
  type Facts = Parameters<typeof judge>[0];
  const facts = (more: Partial<Omit<Facts, "chains">> = {}, chainMore: object = {}): Facts => ({
    state: "approved",
    chains: [{ ...fine, ...chainMore }] as unknown as Facts["chains"],
    forks: 0,
    lastReceived: 1000,
    nowMs: 2000,
    ...more,
  });

  test.each<[severity: string, says: RegExp, facts: Facts]>([
    ["ok", /without a gap/u, facts()],
    ["broken", /2 signed contradictions/u, facts({ forks: 2 }, { missing: 4 })],
    ["waiting", /operator's yes/u, facts({ state: "pending", chains: [] } as Partial<Facts>)],
    ["attention", /not enrolled any more/u, facts({ state: "unknown" })],
    ["attention", /3 batches came without payload/u, facts({}, { unexplained: 3, missing: 9 })],
    ["attention", /2 batches are damaged here.*ledger verify/u, facts({}, { damaged: 2, unexplained: 1, missing: 9 })],
    ["attention", /9 batches below/u, facts({}, { missing: 9 })],
    ["waiting", /sent nothing yet/u, facts({ lastReceived: null })],
    ["attention", /nothing new for 15 min/u, facts({ nowMs: 1000 + SILENT_AFTER_MS + 1 })],
    ["attention", /no right clock/u, facts({}, { clock: "unset" })],
    ["ok", /7 records that it reports/u, facts({}, { lostRecords: 7 })],
    ["ok", /is denied/iu, facts({ state: "denied" }, { missing: 1 })],
  ])("%s: %s", (severity, says, given) => {
    const judged = judge(given);
    expect(judged.severity).toBe(severity);
    expect(judged.verdict).toMatch(says);
  });
});
