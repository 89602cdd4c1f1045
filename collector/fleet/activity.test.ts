import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { memoryDatabase } from "@paddock/store/testing/memory-database.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { encodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";
import { ActivityBook, activityEntries } from "./activity.ts";
import { decodeTold, encodeTold, NOTHING_TOLD, tell } from "./told.ts";

const { chain } = new Sealer({ identity: testIdentity(1) });
const activity = { received: 5, path: "fibre", clock: 2, delayMs: 1 } as const;
const loss = (first: number, last: number, records = last - first + 1): GatewayRecord & { kind: "loss" } => ({
  kind: "loss",
  reason: "evicted",
  epoch: 0,
  ranges: [[first, last]],
  records,
  bytes: 1,
});

let ledger: ChainStore;

beforeEach(async () => {
  ledger = await ChainStore.open({
    database: memoryDatabase(),
    maxBytes: 1 << 30,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: true,
    clock: new VirtualClock(),
  });
});

afterEach(() => ledger.close());

const own = (seq: number, record: GatewayRecord) => new Map([[seq, [encodeGatewayRecord(record)]]]);
const write = async (seq: number, record: GatewayRecord, book?: ActivityBook): Promise<void> => {
  await ledger.append({ chain, batches: [], side: activityEntries(chain, activity, own(seq, record)) });
  book?.note(chain, activity, own(seq, record));
};
const entries = async (): Promise<number> => (await ledger.side("own/")).size;

describe("the gateways' own records", () => {
  test("are put together, so that the ledger keeps one entry and not one a batch", async () => {
    const book = await ActivityBook.open(ledger, silentLog);
    for (let seq = 0; seq < 200; seq++) await write(seq, loss(seq * 3, seq * 3), book);
    await book.settled();
    expect(await entries()).toBeLessThanOrEqual(32);
    const told = book.told(chain);
    expect(told).toMatchObject({ lossRecords: 200, lostRecords: 200 });
    expect((await ActivityBook.open(ledger, silentLog)).told(chain)).toEqual(told);
  });

  test("that an older version left, one entry a batch, are put together when the ledger is opened", async () => {
    for (let seq = 0; seq < 2500; seq++) await write(seq, loss(seq, seq));
    const book = await ActivityBook.open(ledger, silentLog);
    await book.settled();
    expect(await entries()).toBeLessThanOrEqual(32);
    const again = await ActivityBook.open(ledger, silentLog);
    expect(again.told(chain)).toMatchObject({ lostRecords: 2500, losses: [{ ranges: [[0, 2499]] }] });
    expect(again.of(chain)).toEqual(activity);
  });
});

describe("what was told", () => {
  test("does not grow by being told again, and counts the new part of what overlaps", () => {
    const once = tell(NOTHING_TOLD, [loss(0, 9, 20)]);
    expect(tell(once, [loss(0, 9, 20), loss(3, 4, 4)])).toEqual(once);
    expect(tell(once, [loss(5, 14, 20)])).toMatchObject({ lossRecords: 2, lostRecords: 30 });
  });

  test("is bounded, the newest kept", () => {
    const records = Array.from({ length: 5000 }, (_, at) => loss(at * 2, at * 2));
    const told = tell(NOTHING_TOLD, records);
    expect(told.losses[0]!.ranges).toHaveLength(4096);
    expect(told.losses[0]!.ranges.at(-1)).toEqual([9998, 9998]);
    expect(decodeTold(encodeTold(told))).toEqual(told);
    const changes = Array.from({ length: 100 }, (_, at) => ({
      kind: "epoch-change" as const,
      reason: "x",
      previousEpoch: at,
      lastSeq: null,
    }));
    expect(tell(told, changes).changes).toHaveLength(64);
  });
});
