import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { chunkAt, rowAt } from "../testing/rows.ts";
import { LastSink } from "./last-sink.ts";
import { LastValues } from "./last-values.ts";

let directory: string;
let clock: VirtualClock;
let events: string[];
let logEnd: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-last-"));
  clock = new VirtualClock();
  events = [];
  logEnd = 0;
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const note = (event: string): void => void events.push(event);
const log: Log = { debug: note, info: note, warn: note, error: note };

function sinkOf(lookBackRecords = 1000) {
  const values = new LastValues(100);
  const path = join(directory, "last.ndjson");
  const sink = new LastSink({ values, path, lookBackRecords, logEnd: () => Promise.resolve(logEnd), clock, log });
  return { values, path, sink };
}

const all = (values: LastValues) => values.list({}, null, 1000).values;

describe("what feeds the last values", () => {
  test("goes on behind its snapshot after a start, with what it learned of boots", async () => {
    const { sink, values } = sinkOf();
    expect(await sink.open()).toEqual({ place: undefined, datings: [] });
    const datings = [{ gateway: "ab", boot: 1, zeroUs: -5 }];
    await sink.write(chunkAt(0, 30, { datings }));
    await sink.close();
    logEnd = 40;
    const again = sinkOf();
    expect(await again.sink.open()).toEqual({ place: chunkAt(0, 30).place, datings });
    expect(all(again.values)).toEqual(all(values));
    expect(again.sink.report()).toMatchObject({ entries: 7, evictions: 0, since: 0 });
  });

  test("writes a snapshot now and then, so that little is read again after a kill, and that twice", async () => {
    const { sink, values } = sinkOf();
    await sink.open();
    await sink.write(chunkAt(0, 10));
    expect(await readdir(directory)).toEqual([]);
    clock.advance(60_000);
    await sink.write(chunkAt(10, 20));
    await sink.write(chunkAt(20, 30));
    const again = sinkOf();
    const { place } = await again.sink.open();
    expect(place?.offset).toBe(20);
    await again.sink.write(chunkAt(20, 30));
    expect(all(again.values)).toEqual(all(values));
    const pausedAndResumed = await again.sink.close().then(() => again.sink.open());
    expect(pausedAndResumed.place?.offset).toBe(30);
  });

  test("begins so far back in the log as it may, without a snapshot, and with one that is older", async () => {
    logEnd = 5000;
    const first = sinkOf();
    expect((await first.sink.open()).place).toEqual({ offset: 4000, updated: clock.wallMs() });
    expect(first.values.state.since).toBe(4000);
    await first.sink.write(chunkAt(4000, 4010));
    await first.sink.close();
    logEnd = 5010;
    expect((await sinkOf().sink.open()).place?.offset).toBe(4010);
    logEnd = 5011;
    const late = sinkOf();
    expect((await late.sink.open()).place?.offset).toBe(4011);
    expect([late.values.size, late.values.state.since]).toEqual([0, 4011]);
  });

  test("sets a snapshot aside that is not what its hash says, and reads the log again", async () => {
    const damages: ((path: string) => Promise<void>)[] = [
      async (path) => writeFile(path, (await readFile(path, "utf8")).replace('"value":3', '"value":4')),
      async (path) => truncate(path, (await readFile(path)).length - 20),
      (path) => truncate(path, 0),
      (path) => writeFile(path, '{"version":2}\n'),
      (path) => writeFile(path, Buffer.from([0, 255, 10])),
    ];
    for (const [index, damage] of damages.entries()) {
      const { sink, path } = sinkOf();
      await sink.open();
      await sink.write(chunkAt(0, 30));
      await sink.close();
      await damage(path);
      const again = sinkOf();
      expect(await again.sink.open()).toEqual({ place: undefined, datings: [] });
      expect(again.values.size).toBe(0);
      expect((await readdir(directory)).filter((name) => name.includes("damaged"))).toHaveLength(index + 1);
    }
    expect(events).toContain("set-aside");
  });

  test("goes on in memory when the snapshot cannot be written, and says so once", async () => {
    const { sink, values, path } = sinkOf();
    await mkdir(join(`${path}.new`, "in-the-way"), { recursive: true });
    await sink.open();
    for (let from = 0; from < 3; from++) {
      clock.advance(60_000);
      await sink.write(chunkAt(from, from + 1));
    }
    expect(values.size).toBe(3);
    expect(events.filter((event) => event === "last-values-not-kept")).toHaveLength(1);
  });

  test("forgets all at a rebuild and when the log is another one, and keeps that too", async () => {
    const { sink, values } = sinkOf();
    await sink.open();
    await sink.write(chunkAt(0, 10));
    await sink.close();
    expect(await sink.rewind(4, { offset: 4, updated: 1 })).toEqual({ offset: 4, updated: 1 });
    expect([values.size, values.state.since]).toEqual([0, 4]);
    sink.forget();
    expect((await sink.open()).place).toBeUndefined();
    await sink.write(chunkAt(0, 10, { rows: [rowAt(9)] }));
    await sink.close();
    const again = sinkOf();
    await again.sink.open();
    expect(all(again.values)).toHaveLength(1);
  });

  test("says of a channel whose name is too long why it is not there", () => {
    const { sink } = sinkOf();
    expect(sink.whyNot(rowAt(1, { name: "n".repeat(1100) }))).toMatch(/too long/u);
    expect(sink.whyNot(rowAt(1))).toBeUndefined();
  });
});
