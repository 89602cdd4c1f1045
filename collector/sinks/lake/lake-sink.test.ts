import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { seededRandom } from "@paddock/base/random.ts";
import type { Row } from "../row.ts";
import type { RowChunk } from "../sink.ts";
import { testRow } from "../testing/row.ts";
import { compactLake } from "./compact.ts";
import { DirectoryDisk } from "./lake-disk.ts";
import { LakeSink } from "./lake-sink.ts";
import { LakeStore } from "./lake-store.ts";
import { MemoryDisk } from "./testing/memory-disk.ts";
import { readKeys, readObjects } from "./testing/read-rows.ts";
import { verifyLake } from "./verify-lake.ts";

const DAY_MS = 86_400_000;
const ARRIVED_MS = 1_760_000_000_500;
const SITES = new Map([["07".repeat(32), "barn"]]);

let directory: string;
let disk: MemoryDisk;
let nowMs: number;
const sinks: LakeSink[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-lake-"));
  disk = new MemoryDisk();
  nowMs = ARRIVED_MS;
});
async function endSinks(): Promise<void> {
  for (const sink of sinks.splice(0)) await sink.close();
}

afterEach(async () => {
  await endSinks();
  await rm(directory, { recursive: true, force: true });
});

function sinkOf(change: { retentionDays?: number } = {}): LakeSink {
  const sink = new LakeSink({ directory, wallMs: () => nowMs, disk, ...change });
  sinks.push(sink);
  return sink;
}

function chunkOf(from: number, rows: readonly Row[], end: number): RowChunk {
  const place = { offset: end, updated: 5, log: "aa", behind: "bb" };
  return { from, rows, deadLetters: [], missing: [], datings: [], place, sites: SITES };
}

const NAMES = ["a:temperature", "b/humidity"];
/** Rows of a log: two measurements over two days, some records with two readings, some with none. */
const LOG: readonly Row[] = Array.from({ length: 24 }, (_, offset) => offset).flatMap((offset) =>
  Array.from({ length: offset % 3 }, (_, part) =>
    testRow({
      offset,
      part,
      name: NAMES[(offset + part) % 2]!,
      timeUs: (ARRIVED_MS - (offset === 7 ? DAY_MS : 0)) * 1000 + offset,
    }),
  ),
);
const LOG_END = 24;
const ALL_KEYS = LOG.map(({ offset, part, name }) => `${offset}.${part} ${name}`).toSorted();

/** Gives the sink the log from where it stands, in chunks of any size, until it is at the end. */
async function feed(sink: LakeSink, size: number): Promise<void> {
  const { place } = await sink.open();
  for (let from = place?.offset ?? 0; from < LOG_END;) {
    const end = Math.min(LOG_END, from + size);
    await sink.write(
      chunkOf(
        from,
        LOG.filter(({ offset }) => offset >= from && offset < end),
        end,
      ),
    );
    from = end;
  }
}

test("a row says all that it said", async () => {
  const sink = sinkOf();
  await sink.open();
  const data = Buffer.from([0xff, 0x00]);
  const rows = [
    testRow({ offset: 2 ** 53 - 2, part: 3, number: -0, timeUs: 1_760_000_000_123_457, sum: 4.5, updateS: 60 }),
    testRow({
      offset: 2 ** 53 - 1,
      number: null,
      data,
      contentFormat: "60",
      unit: null,
      timeUs: 1_760_000_000_123_458,
    }),
  ];
  await sink.write(chunkOf(0, rows, Number.MAX_SAFE_INTEGER));
  const path = (await disk.list()).find((name) => name.endsWith(".parquet"));
  expect(path).toBe("site=barn/date=2025-10-09/measurement=temperature/part-0-9007199254740990.parquet");
  const read = await readObjects((await disk.read(path!))!);
  expect(read).toEqual([
    {
      time: 1_760_000_000_123_457n,
      time_by: "sensor",
      clock: "synchronised",
      name: "barn/temperature",
      unit: "Cel",
      value: -0,
      exact: null,
      why_no_value: null,
      text: null,
      flag: null,
      data: null,
      content_format: null,
      sum: 4.5,
      update_s: 60,
      gateway: "07".repeat(32),
      source: "barn",
      lane: "telemetry",
      arrived: 1_760_000_000_500_000n,
      log_offset: 2n ** 53n - 2n,
      part: 3,
      epoch: 0n,
      seq: 0n,
      record: 0,
      boot: 1n,
      monotonic_us: 5_000_000n,
    },
    expect.objectContaining({ value: null, unit: null, data: new Uint8Array(data), content_format: "60" }),
  ]);
});

/** Everything that a lake does in its life, with its power gone at change number `cutAt`. */
async function liveUntil(cutAt: number, torn: number): Promise<boolean> {
  disk = new MemoryDisk();
  disk.cutAt = cutAt;
  disk.torn = torn;
  const sink = sinkOf();
  let isCut = false;
  try {
    await feed(sink, 14);
    await sink.rewind(18, { offset: 18, updated: 6, log: "aa" });
    await feed(sink, 24);
    nowMs = ARRIVED_MS + 3 * DAY_MS;
    await sink.write(chunkOf(LOG_END, [], LOG_END + 1));
    expect(await compactLake(new LakeStore(disk), disk, { nowMs, version: "x" })).toEqual({ before: 0, after: 0 });
  } catch (error) {
    expect(error).toMatchObject({ code: "SINK_UNAVAILABLE" });
    isCut = true;
  }
  await sink.close();
  disk.cutAt = Infinity;
  const seen = await readKeys(disk);
  // Whoever reads in the midst of it finds no row twice.
  expect(new Set(seen).size).toBe(seen.length);
  nowMs = ARRIVED_MS;
  const next = sinkOf();
  await feed(next, 24);
  expect((await readKeys(disk)).toSorted()).toEqual(ALL_KEYS);
  expect((await disk.list()).filter((path) => /\.new$|\.stray$/u.test(path))).toEqual([]);
  expect((await verifyLake(disk))!.problems).toEqual([]);
  await next.close();
  return isCut;
}

describe("whatever happens, each row is there once", () => {
  test("after chunks of any size, and after starts in between", async () => {
    for (const size of [1, 7, 24]) {
      disk = new MemoryDisk();
      await feed(sinkOf(), size);
      expect((await readKeys(disk)).toSorted()).toEqual(ALL_KEYS);
      await endSinks();
      const again = sinkOf();
      expect((await again.open()).place).toEqual({ offset: LOG_END, updated: 5, log: "aa", behind: "bb" });
      expect(again.report()).toMatchObject({ rows: ALL_KEYS.length, lostFiles: 0, strayFiles: 0 });
      await again.close();
    }
  });

  test("after the power is gone at any change, with nothing, half or all of the write under way done", async () => {
    const shares = [0, 0.5, 1];
    /** All three at each change at full scale, else one of them. */
    const isWhole = scaled(shares.length) === shares.length;
    let cutAt = 0;
    for (let isCut = true; isCut; cutAt++) {
      for (const torn of isWhole ? shares : [shares[cutAt % shares.length]!]) isCut = await liveUntil(cutAt, torn);
    }
    expect(cutAt).toBeGreaterThan(25);
  });

  test("after files were lost, cut or changed in length", async () => {
    const random = seededRandom(4);
    for (let round = 0; round < 8; round++) {
      disk = new MemoryDisk();
      await feed(sinkOf(), 1 + random.below(20));
      for (const path of await disk.list()) {
        if (!path.endsWith(".parquet") || random.below(4) > 0) continue;
        if (random.below(2) === 0) disk.files.delete(path);
        else disk.files.set(path, disk.files.get(path)!.subarray(1));
      }
      await endSinks();
      await feed(sinkOf(), 1 + random.below(20));
      expect((await readKeys(disk)).toSorted()).toEqual(ALL_KEYS);
      await endSinks();
    }
  });

  test("a chunk that was kept is taken again; one of another place is refused", async () => {
    const sink = sinkOf();
    await sink.open();
    const chunk = chunkOf(0, LOG.slice(0, 10), 12);
    await sink.write(chunk);
    await sink.write(chunk);
    expect(await readKeys(disk)).toHaveLength(10);
    await expect(sink.write(chunkOf(5, [], 20))).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  });
});

describe("what disks and people do", () => {
  test("a full disk leaves nothing half, and the sink goes on when there is room", async () => {
    const sink = sinkOf();
    await sink.open();
    disk.full = true;
    disk.torn = 0.5;
    const chunk = chunkOf(0, LOG, LOG_END);
    await expect(sink.write(chunk)).rejects.toMatchObject({
      code: "SINK_UNAVAILABLE",
      message: /ENOSPC/u,
      remedy: /Make room/u,
    });
    disk.full = false;
    await sink.open();
    await sink.write(chunk);
    expect((await readKeys(disk)).toSorted()).toEqual(ALL_KEYS);
    expect((await disk.list()).filter((path) => path.endsWith(".new"))).toEqual([]);
  });

  test("a damaged journal is told, and nothing is made beside it", async () => {
    await feed(sinkOf(), 20);
    await sinks.pop()!.close();
    const journal = disk.files.get("_manifest.jsonl")!;
    journal[20]! ^= 1;
    const before = new Map(disk.files);
    await expect(sinkOf().open()).rejects.toMatchObject({ code: "SINK_REFUSED", message: /line 1 does not hold/u });
    expect(disk.files).toEqual(before);
    expect((await verifyLake(disk))!.problems).toEqual(["_manifest.jsonl: line 1 does not hold."]);
  });

  test("verify finds a flipped bit, a file that is gone and one of nobody", async () => {
    await feed(sinkOf(), 24);
    expect(await verifyLake(disk)).toMatchObject({ rows: ALL_KEYS.length, problems: [] });
    const paths = (await disk.list()).filter((path) => path.endsWith(".parquet"));
    disk.files.get(paths[0]!)![100]! ^= 1;
    disk.files.delete(paths[1]!);
    disk.files.set("site=barn/extra.parquet", Buffer.from("x"));
    const { problems } = (await verifyLake(disk))!;
    const told = problems.map((problem) => problem.slice(0, problem.indexOf(":")));
    expect(told.toSorted()).toEqual([paths[0], paths[1], "site=barn/extra.parquet"]);
    expect(await verifyLake(new MemoryDisk())).toBeUndefined();
  });

  test("partitions that are too old go, whole days", async () => {
    const sink = sinkOf({ retentionDays: 1 });
    await sink.open();
    await sink.write(chunkOf(0, LOG, LOG_END));
    nowMs += DAY_MS;
    await sink.write(chunkOf(LOG_END, [], LOG_END + 1));
    const dates = new Set((await disk.list()).map((path) => /date=([^/]*)/u.exec(path)?.[1]).filter(Boolean));
    expect([...dates]).toEqual(["2025-10-09"]);
  });

  test("two writers: the second is refused, until the first is gone; one whose lock was taken writes no more", async () => {
    const first = sinkOf();
    await first.open();
    await expect(sinkOf().open()).rejects.toMatchObject({ code: "SINK_REFUSED", message: /Process \d+ has the lake/u });
    await first.close();
    const second = sinkOf();
    await second.open();
    await second.write(chunkOf(0, LOG, LOG_END));
    await writeFile(join(directory, "_lock"), "somebody else");
    const more = chunkOf(LOG_END, LOG, LOG_END + 1);
    await expect(second.write(more)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    expect(second.report()).toMatchObject({ rows: LOG.length });
  });

  test("a disk that is a directory", async () => {
    const real = new LakeSink({ directory, wallMs: () => nowMs });
    sinks.push(real);
    await feed(real, 9);
    expect((await readKeys(new DirectoryDisk(directory))).toSorted()).toEqual(ALL_KEYS);
    await real.rewind(0, { offset: 0, updated: 1 });
    expect(await readKeys(new DirectoryDisk(directory))).toEqual([]);
    expect((await readdir(directory)).toSorted()).toEqual(["_lock", "_manifest.jsonl"]);
    await feed(real, 24);
    expect((await readKeys(new DirectoryDisk(directory))).toSorted()).toEqual(ALL_KEYS);
    expect(await verifyLake(new DirectoryDisk(directory))).toMatchObject({ problems: [] });
  });
});

test("records that are gone are counted once, however often the log is read again", async () => {
  const sink = sinkOf();
  await sink.open();
  const gone = { ...chunkOf(0, [], 10), missing: [{ offset: 3, count: 4, why: "evicted" }] };
  await sink.write(gone);
  expect(await sink.rewind(0, { offset: 0, updated: 1 })).toEqual({ offset: 0, updated: 1 });
  expect(sink.report()).toMatchObject({ missingRecords: 0 });
  await sink.write(gone);
  expect(sink.report()).toMatchObject({ missingRecords: 4 });
});

test("small files of a day that is over become one, with the same rows and their chains", async () => {
  await feed(sinkOf(), 5);
  await sinks.pop()!.close();
  const store = new LakeStore(disk);
  await store.open();
  const before = store.state.files.size;
  nowMs = ARRIVED_MS + 3 * DAY_MS;
  const { before: merged, after } = await compactLake(store, disk, { nowMs, version: "1.2.3" });
  expect([merged, after]).toEqual([before - 1, 2]);
  expect((await readKeys(disk)).toSorted()).toEqual(ALL_KEYS);
  expect((await verifyLake(disk))!.problems).toEqual([]);
  expect(await compactLake(store, disk, { nowMs, version: "1.2.3" })).toEqual({ before: 0, after: 0 });
  // What came in pieces is still a chunk of the log: going back to the midst of it takes it whole.
  const sink = sinkOf();
  await sink.open();
  expect(await sink.rewind(11, { offset: 11, updated: 1 })).toMatchObject({ offset: 0, log: "aa" });
  expect((await readKeys(disk)).length).toBe(0);
  await feed(sink, 24);
  expect((await readKeys(disk)).toSorted()).toEqual(ALL_KEYS);
});
