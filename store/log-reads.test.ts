import { beforeEach, describe, expect, test } from "vitest";
import { RECORDS_MAX } from "@paddock/wire/limits.ts";
import { encodeLogEntry, LOG_LOST, LOG_WITH_PAYLOAD, type LogKind } from "./arrival-log.ts";
import { DamageLog, type Damage } from "./damage.ts";
import type { KeyValueDatabase } from "./database.ts";
import { chainBytes, logKey } from "./keyspace.ts";
import { checkLog, logOffsetAt, readLog, readLogEnd } from "./log-reads.ts";
import { Revocations } from "./revocations.ts";
import type { StoreCore } from "./store-core.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer } from "./testing/sealer.ts";

/* The log alone: its entries by offset, over a database that holds nothing else. */

const chain = new Sealer().chain;

let database: KeyValueDatabase;
let told: Damage[];
let core: StoreCore;
beforeEach(async () => {
  database = memoryDatabase();
  await database.open();
  told = [];
  const damage = new DamageLog((found) => told.push(found));
  core = { database, damage, revocations: new Revocations(), logEnd: 0 } as unknown as StoreCore;
});

interface Entry {
  readonly offset: number;
  readonly count: number;
  readonly received?: number;
  readonly kind?: LogKind;
  /** Its value cannot be read. */
  readonly bad?: boolean;
}

async function put(...entries: readonly Entry[]): Promise<void> {
  const operations = entries.map(({ offset, count, received = 0, kind = LOG_WITH_PAYLOAD, bad = false }) => ({
    type: "put" as const,
    key: logKey(offset),
    value: bad ? Buffer.of(9) : encodeLogEntry(kind, chainBytes(chain), 7, count, received),
  }));
  await database.batch(operations, { sync: true });
  core.logEnd = Math.max(core.logEnd, ...entries.map(({ offset, count }) => offset + count));
}

const offsetsAt = async (...times: number[]) => Promise.all(times.map((ms) => logOffsetAt(core, ms)));

describe("the first batch written at or after a time", () => {
  test("is found by its offset, however many records each has; behind all is the end", async () => {
    await put(
      { offset: 0, count: 3, received: 100 },
      { offset: 3, count: 1, received: 200 },
      { offset: 4, count: 50, received: 200 },
      { offset: 54, count: 2, received: 300 },
    );
    expect(await offsetsAt(0, 100, 101, 200, 201, 300, 301)).toEqual([0, 0, 3, 3, 54, 54, 56]);
  });

  test("is the end where the log is empty", async () => {
    expect(await offsetsAt(0, 5)).toEqual([0, 0]);
  });

  test("is told too early rather than too late around an entry that cannot be read", async () => {
    const [before, bad, behind] = [
      { offset: 0, count: 3, received: 100 },
      { offset: 3, count: 4, bad: true },
      { offset: 7, count: 3, received: 300 },
    ];
    await put(before, bad, behind);
    const found = await offsetsAt(100, 200, 300, 301);
    for (const [index, latest] of [0, 7, 7, 10].entries()) expect(found[index]).toBeLessThanOrEqual(latest);
  });

  test("is within the log where no entry can be read at all", async () => {
    await put({ offset: 0, count: 8, bad: true });
    const [offset] = await offsetsAt(50);
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset).toBeLessThanOrEqual(8);
  });
});

describe("the end of the log", () => {
  test("is behind the last record of the last entry", async () => {
    expect(await readLogEnd(core)).toBe(0);
    await put({ offset: 0, count: 3 }, { offset: 3, count: 40 });
    expect(await readLogEnd(core)).toBe(43);
    expect(told).toEqual([]);
  });

  test("is behind all that its last entry can have had when that cannot be read, and that is told", async () => {
    await put({ offset: 0, count: 3 }, { offset: 3, count: 40, bad: true });
    expect(await readLogEnd(core)).toBe(3 + RECORDS_MAX);
    expect(told).toMatchObject([{ what: "log", offset: 3 }]);
  });
});

describe("a look at the log", () => {
  test("says where it ended and how often entries were missing", async () => {
    await put({ offset: 0, count: 3 }, { offset: 5, count: 1 }, { offset: 6, count: 4 }, { offset: 12, count: 2 });
    expect(await checkLog(core, 0, 2)).toEqual({ next: 6, lost: 1 });
    expect(await checkLog(core, 6, 10)).toEqual({ next: 14, lost: 1 });
    expect(await checkLog(core, 0, 10)).toEqual({ next: 14, lost: 2 });
    expect(told).toMatchObject([
      { what: "log", offset: 3, count: 2 },
      { what: "log", offset: 10, count: 2 },
    ]);
  });

  test("says that all to the end is missing when nothing more is there", async () => {
    await put({ offset: 0, count: 3 });
    core.logEnd = 9;
    expect(await checkLog(core, 3, 10)).toEqual({ next: 9, lost: 1 });
    expect(told).toMatchObject([{ what: "log", offset: 3, count: 6 }]);
  });
});

describe("a read of the log", () => {
  test("gives every offset once, of what was taken back and of what is missing, from the one that is asked for", async () => {
    await put(
      { offset: 0, count: 3, kind: LOG_LOST },
      { offset: 5, count: 2, kind: LOG_LOST },
      { offset: 7, count: 1, bad: true },
      { offset: 8, count: 4, kind: LOG_LOST },
    );
    const read = async (from: number, maxBatches = 100) => {
      const outcome = await readLog(core, from, { maxBytes: 1 << 20, maxBatches });
      return outcome.ok ? outcome.value.map(({ offset, count, lost }) => [offset, count, lost]) : outcome.reason;
    };
    const all = [
      [0, 3, "rolled-back"],
      [3, 2, "entry"],
      [5, 2, "rolled-back"],
      [7, 1, "entry"],
      [8, 4, "rolled-back"],
    ];
    expect(await read(0)).toEqual(all);
    // In the middle of a batch: the batch that holds it; where there is none, from there on.
    expect(await read(2)).toEqual(all);
    expect(await read(3)).toEqual(all.slice(1));
    expect(await read(4)).toEqual([[4, 1, "entry"], ...all.slice(2)]);
    expect(await read(11)).toEqual(all.slice(4));
    expect(await read(12)).toEqual([]);
    expect(await read(13)).toBe("out-of-range");
    expect(await read(0, 1)).toEqual(all.slice(0, 1));
    core.logEnd = 20;
    expect(await read(8)).toEqual([...all.slice(4), [12, 8, "entry"]]);
  });
});
