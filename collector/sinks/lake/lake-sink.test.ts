import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import type { Row } from "../row.ts";
import { testChunk, testRow } from "../testing/rows.ts";
import { LakeDisk } from "./lake-disk.ts";
import { LakeSink } from "./lake-sink.ts";
import { hiveValue, MEASUREMENTS_MAX, Partitioner } from "./partition.ts";
import { rowsIn } from "./read-rows.ts";

let directory: string;
let clock: VirtualClock;
const opened: LakeSink[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-lake-"));
  clock = new VirtualClock();
});

afterEach(async () => {
  for (const sink of opened.splice(0)) await sink.close();
  await rm(directory, { recursive: true, force: true });
});

function sinkOf(retentionDays: number | null = null, name = "test", disk?: LakeDisk): LakeSink {
  const sink = new LakeSink({ directory, retentionDays }, { name, clock, log: silentLog }, disk);
  opened.push(sink);
  return sink;
}

/** Lets go of all, as an end of the process does, and opens anew. */
async function reopened(): Promise<{ sink: LakeSink; offset: number | undefined }> {
  for (const sink of opened.splice(0)) await sink.close();
  const sink = sinkOf();
  const { place } = await sink.open();
  return { sink, offset: place?.offset };
}

async function partFiles(): Promise<string[]> {
  const found = await readdir(directory, { recursive: true });
  return found.filter((name) => name.endsWith(".parquet")).toSorted();
}

/** The rows of all files that readers see, in the order of the log. */
async function rows(): Promise<Row[]> {
  const found: Row[] = [];
  for (const name of await partFiles()) found.push(...(await rowsIn(await readFile(join(directory, name)))));
  return found.toSorted((left, right) => left.offset - right.offset || left.part - right.part);
}

const offsets = async () => (await rows()).map(({ offset }) => offset);
const upTo = (end: number) => Array.from({ length: end }, (_, offset) => offset);

async function duck(sql: string): Promise<readonly (readonly unknown[])[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const from = `read_parquet('${directory}/**/*.parquet', union_by_name = true, hive_partitioning = true, hive_types = {'site': VARCHAR, 'date': DATE, 'measurement': VARCHAR})`;
    return (await connection.runAndReadAll(sql.replace("$LAKE", from))).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

test("10,000 measurements of a site and day have 1,000 folders and one for all others, also after a start", () => {
  const given = upTo(10_000).map((offset) => testRow(offset, { name: `urn:m${offset}` }));
  const sorted = new Partitioner([]).sort(given, () => "north");
  expect(sorted.size).toBe(MEASUREMENTS_MAX + 1);
  const beyond = sorted.get("site=north/date=2023-11-14/measurement=_other")!;
  expect(beyond.map(({ offset }) => offset)).toEqual(upTo(10_000).slice(MEASUREMENTS_MAX));
  const again = new Partitioner([...sorted.keys()].map((folder) => `${folder}/part-0-1.parquet`));
  expect([...again.sort(given.toReversed(), () => "north").keys()].toSorted()).toEqual([...sorted.keys()].toSorted());
});

describe("a lake", () => {
  test("gives back each row as it was given, microseconds and -0 with them, to hyparquet and to DuckDB", async () => {
    const given = [
      testRow(0, { number: -0, timeUs: 1_700_000_000_123_457 }),
      testRow(1, { number: 0, unit: null, sum: -0, updateS: 1.5 }),
      testRow(2, { number: null, whyNoNumber: "nan" }),
      testRow(3, { number: 9_007_199_254_740_992, exact: "9007199254740993" }),
      testRow(4, { number: null, text: "läuft 🐄", flag: null }),
      testRow(5, { number: null, flag: false }),
      testRow(6, { number: null, data: new Uint8Array([0, 255, 1]), contentFormat: "60" }),
      testRow(7, { arrivedMs: 1_700_000_000_001, timeBy: "collector", clock: "unset", boot: 0 }),
    ];
    const sink = sinkOf();
    expect(await sink.open()).toEqual({ place: undefined, datings: [] });
    await sink.write(testChunk(0, 8, { rows: given }));
    const kept = await rows();
    expect(kept.map((row) => ({ ...row, data: row.data === null ? null : new Uint8Array(row.data) }))).toEqual(given);
    expect(Object.is(kept[0]!.number, -0) && Object.is(kept[1]!.number, 0)).toBe(true);

    const types = await duck("SELECT column_name || ' ' || column_type FROM (DESCRIBE SELECT * FROM $LAKE)");
    expect(types.flat()).toMatchSnapshot();
    const seen = await duck(
      "SELECT log_offset, epoch_us(time), signbit(value), value, text, flag, hex(data), site, date, measurement FROM $LAKE ORDER BY log_offset",
    );
    expect(seen[0]).toEqual([
      "0",
      "1700000000123457",
      true,
      -0,
      null,
      null,
      null,
      "north",
      "2023-11-14",
      "temperature",
    ]);
    expect(seen.map((row) => row[4])[4]).toBe("läuft 🐄");
    expect(seen[5]![5]).toBe(false);
    expect(seen[6]![6]).toBe("00FF01");
  });

  test("whole numbers first do not cut the fractions that come later", async () => {
    const sink = sinkOf();
    await sink.open();
    await sink.write(testChunk(0, 1, { rows: [testRow(0, { number: 20 })] }));
    await sink.write(testChunk(1, 2, { rows: [testRow(1, { number: 21.49 })] }));
    expect(await duck("SELECT value FROM $LAKE ORDER BY 1")).toEqual([[20], [21.49]]);
  });

  test("goes on where it was, with what it learned of boots, and takes a chunk again without doubling it", async () => {
    const sink = sinkOf();
    await sink.open();
    const datings = [{ gateway: "ab".repeat(32), boot: 1, zeroUs: 5 }];
    await sink.write(testChunk(0, 3, { datings }));
    await sink.write(testChunk(0, 3, { datings }));
    await sink.write(testChunk(3, 5));
    await sink.write(testChunk(2, 7));
    await sink.close();
    const again = sinkOf();
    expect(await again.open()).toEqual({ place: testChunk(2, 7).place, datings });
    expect(await offsets()).toEqual(upTo(7));
    expect(await readFile(join(directory, "boots.ndjson"), "utf8")).toBe(
      `{"gateway":"${"ab".repeat(32)}","boot":1,"zero_us":5}\n`,
    );
  });

  test("names that readers take for no value or for a number come back as they were", async () => {
    const names = ["null", "Null", "NULL", "__HIVE_DEFAULT_PARTITION__", ".", "..", "007", "0x10", "-0", "infinity"];
    names.push("epoch", "a b", "50%", "ä=ö", "*?[x]", "a'b\"c", "%41", "x".repeat(150), "\\", "~", "#");
    const sink = sinkOf();
    await sink.open();
    const gateways = names.map((_, index) => index.toString(16).padStart(64, "0"));
    const given = names.map((name, index) => testRow(index, { gateway: gateways[index]!, name: `urn:${name}` }));
    const sites = new Map(names.map((name, index) => [gateways[index]!, name]));
    await sink.write(testChunk(0, names.length, { rows: given, sites }));
    const seen = await duck("SELECT site, measurement FROM $LAKE ORDER BY log_offset");
    expect(seen).toEqual(names.map((name) => [name, name]));
    expect(hiveValue("é".repeat(200)).length).toBeLessThanOrEqual(200);
    expect(hiveValue("é".repeat(200))).not.toBe(hiveValue("é".repeat(201)));
  });

  test("wild clocks: bounded folders, and no row is lost", async () => {
    const sink = sinkOf();
    await sink.open();
    const wild = upTo(1000).map((index) => testRow(index, { timeUs: index * 86_400_000_000 * 30 }));
    await sink.write(testChunk(0, 1000, { rows: wild }));
    const dates = new Set((await partFiles()).map((name) => name.split("/")[1]));
    expect(dates.size).toBeLessThan(20);
    expect(await duck("SELECT count(*), count(DISTINCT log_offset) FROM $LAKE")).toEqual([["1000", "1000"]]);
  });

  test("rewinds to any offset, also inside files that span it, and goes on there", async () => {
    const sink = sinkOf();
    await sink.open();
    await sink.write(testChunk(0, 10));
    await sink.write(testChunk(10, 20));
    await sink.rewind(13, testChunk(0, 13).place);
    expect(await offsets()).toEqual(upTo(13));
    const { sink: again, offset } = await reopened();
    expect(offset).toBe(13);
    await again.write(testChunk(13, 20));
    expect(await offsets()).toEqual(upTo(20));
    await again.rewind(0, { offset: 0, updated: 0 });
    expect(await offsets()).toEqual([]);
  });

  test("any files deleted or torn are made again from the log: the rows are the ones before", async () => {
    const change = fc.constantFrom("delete" as const, "tear" as const, "keep" as const);
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 1, max: 9 }),
        async (changes, size) => {
          for (const sink of opened.splice(0)) await sink.close();
          await rm(directory, { recursive: true, force: true });
          const sink = sinkOf();
          await sink.open();
          const chunk = (from: number, to: number) => {
            const made = upTo(to)
              .slice(from)
              .map((offset) => testRow(offset, { name: offset % 2 === 0 ? "urn:even" : "urn:odd" }));
            return testChunk(from, to, { rows: made });
          };
          for (let from = 0; from < 40; from += 10) await sink.write(chunk(from, from + 10));
          const before = await rows();
          for (const [index, name] of (await partFiles()).entries()) {
            const path = join(directory, name);
            if (changes[index] === "delete") await rm(path);
            if (changes[index] === "tear") await truncate(path, (await stat(path)).size - 3);
          }
          const { sink: again, offset } = await reopened();
          for (let from = offset!; from < 40; from += size) await again.write(chunk(from, Math.min(40, from + size)));
          expect(await rows()).toEqual(before);
          expect((await reopened()).offset).toBe(40);
        },
      ),
      { numRuns: scaled(15) },
    );
  });

  test("a manifest with a torn end or a flipped bit counts up to there; the rest is made again", async () => {
    const sink = sinkOf();
    await sink.open();
    for (let from = 0; from < 30; from += 10) await sink.write(testChunk(from, from + 10));
    const path = join(directory, "_manifest.jsonl");
    const good = await readFile(path);
    await appendFile(path, '{"check":"');
    expect((await reopened()).offset).toBe(30);

    const at = good.indexOf(10) + 40;
    const bad = Buffer.from(good);
    bad[at] = bad[at]! ^ 1;
    await writeFile(path, bad);
    const { sink: again, offset } = await reopened();
    expect(offset).toBe(10);
    expect(await offsets()).toEqual(upTo(10));
    for (let from = 10; from < 30; from += 10) await again.write(testChunk(from, from + 10));
    expect(await offsets()).toEqual(upTo(30));
  });

  test("a disk that is full at any step leaves nothing half, and the same chunk is kept later", async () => {
    class FullDisk extends LakeDisk {
      left = Number.POSITIVE_INFINITY;
      #spend(): void {
        if (this.left-- <= 0)
          throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC", syscall: "write" });
      }
      override async writeFile(name: string, bytes: Uint8Array): Promise<void> {
        if (this.left === 0) await super.writeFile(name, bytes.subarray(0, 5));
        this.#spend();
        await super.writeFile(name, bytes);
      }
      override async append(name: string, at: number, text: string): Promise<void> {
        if (this.left === 0) await super.append(name, at, text.slice(0, 9));
        this.#spend();
        await super.append(name, at, text);
      }
      override async rename(from: string, to: string): Promise<void> {
        this.#spend();
        await super.rename(from, to);
      }
    }
    const disk = new FullDisk(directory);
    const sink = sinkOf(null, "test", disk);
    await sink.open();
    await sink.write(testChunk(0, 5));
    const given = upTo(9)
      .slice(5)
      .map((offset) => testRow(offset, { name: `urn:${offset % 2}` }));
    let steps = 0;
    for (; ; steps++) {
      disk.left = steps;
      const done = await sink.write(testChunk(5, 9, { rows: given })).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: "SINK_UNAVAILABLE" });
          return false;
        },
      );
      disk.left = Number.POSITIVE_INFINITY;
      if (done) break;
      await sink.open();
      expect([5, 9]).toContain((await offsets()).length);
      if ((await offsets()).length === 9) {
        await sink.write(testChunk(5, 9, { rows: given }));
        expect(await offsets()).toEqual(upTo(9));
        await sink.rewind(5, testChunk(0, 5).place);
      }
    }
    expect(steps).toBe(5);
    expect(await offsets()).toEqual(upTo(9));
  });

  test("is one sink's alone, and one process's at a time", async () => {
    const sink = sinkOf();
    await sink.open();
    await sink.write(testChunk(0, 1));
    await expect(sinkOf().open()).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    await sink.close();
    await expect(sinkOf(null, "other").open()).rejects.toMatchObject({ code: "SINK_REFUSED" });
  });

  test("days beyond the retention go whole, and do not come back", async () => {
    const sink = sinkOf(3);
    await sink.open();
    const day = 86_400_000_000;
    const now = clock.wallMs() * 1000;
    const at = (offset: number, daysAgo: number) => {
      const timeUs = now - daysAgo * day;
      return testRow(offset, { timeUs, arrivedMs: timeUs / 1000 });
    };
    await sink.write(testChunk(0, 3, { rows: [at(0, 0), at(1, 2), at(2, 5)] }));
    expect(await offsets()).toEqual([0, 1]);
    clock.advance(2 * 86_400_000);
    await sink.write(testChunk(3, 4, { rows: [] }));
    expect(await offsets()).toEqual([0]);
  });

  test("killed at random while it writes, it has each row once", { timeout: 120_000 }, async () => {
    const random = seededRandom(9);
    const last = 2000;
    const child = join(import.meta.dirname, "testing", "lake-child.ts");
    let kills = 0;
    for (let isDone = false; !isDone;) {
      const running = spawn(process.execPath, [child, directory, String(last)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exit = once(running, "exit");
      // After so many chunks, in the midst of the next one; at last it may end by itself.
      let until = kills >= scaled(10) ? Number.POSITIVE_INFINITY : 1 + Math.floor(random.float() * 6);
      for await (const _ of createInterface({ input: running.stdout })) {
        if (--until === 0) setTimeout(() => running.kill("SIGKILL"), random.float() * 8);
      }
      const [code] = (await exit) as [number | null];
      isDone = code === 0;
      if (!isDone) kills++;
    }
    expect(kills).toBeGreaterThan(0);
    const seen = await duck("SELECT count(*), count(DISTINCT log_offset), sum(value), max(log_offset) FROM $LAKE");
    expect(seen).toEqual([[String(last), String(last), (last * (last - 1)) / 16, String(last - 1)]]);
    expect((await reopened()).offset).toBe(last);
  });
});
