import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { chunkAt, rowAt } from "../testing/rows.ts";
import { FilesSink } from "./files-sink.ts";
import { LINES } from "./lines.ts";

let directory: string;
let clock: VirtualClock;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-files-"));
  clock = new VirtualClock();
});

/** Forgets all of it. */
async function empty(): Promise<void> {
  await rm(directory, { recursive: true });
  await mkdir(directory);
}

afterEach(() => rm(directory, { recursive: true, force: true }));

const CONFIG = { format: "ndjson", rotateBytes: 1 << 20, rotateAgeMs: 60_000, keepFiles: null } as const;

function sinkOf(more: Partial<ConstructorParameters<typeof FilesSink>[0]> = {}, name = "test"): FilesSink {
  return new FilesSink({ ...CONFIG, directory, ...more }, { name, clock, log: silentLog });
}

async function rowFiles(): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => name.startsWith("rows-")).toSorted();
}

/** The lines of all files, in the order of their names. */
async function lines(): Promise<string[]> {
  const names = await rowFiles();
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
  expect(texts.join("")).toMatch(/^$|\n$/u);
  return texts.join("").split("\n").slice(0, -1);
}

const offsets = async () => (await lines()).map((line) => (JSON.parse(line) as { offset: number }).offset);
const upTo = (end: number) => Array.from({ length: end }, (_, offset) => offset);

describe("a sink of files", () => {
  test("goes on where it was, with what it learned of boots", async () => {
    const sink = sinkOf();
    expect(await sink.open()).toEqual({ place: undefined, datings: [] });
    const datings = [{ gateway: "ab", boot: 1, zeroUs: 5 }];
    await sink.write(chunkAt(0, 3, { datings }));
    const chunk = chunkAt(3, 5);
    await sink.write(chunk);
    const again = sinkOf();
    expect(await again.open()).toEqual({ place: chunk.place, datings });
    await again.write(chunkAt(5, 6));
    expect(await offsets()).toEqual(upTo(6));
    expect(again.report()).toMatchObject({ files: 1, file: "rows-0000000000000000.ndjson" });
  });

  test("keeps a place without rows", async () => {
    await sinkOf().write(chunkAt(0, 3, { rows: [] }));
    expect((await sinkOf().open()).place?.offset).toBe(3);
    expect(await rowFiles()).toEqual([]);
  });

  test("cuts off what was not confirmed, and removes a file that was only begun", async () => {
    const sink = sinkOf();
    await sink.open();
    await sink.write(chunkAt(0, 3));
    await appendFile(join(directory, "rows-0000000000000000.ndjson"), '{"offset":3,"half');
    await writeFile(join(directory, "rows-0000000000000003.ndjson"), "{}\n");
    const again = sinkOf();
    await again.open();
    expect(await rowFiles()).toEqual(["rows-0000000000000000.ndjson"]);
    await again.write(chunkAt(3, 4));
    expect(await offsets()).toEqual(upTo(4));
  });

  test("begins the next file by bytes and by age, and keeps as many as it is told", async () => {
    const sink = sinkOf({ rotateBytes: 1000, keepFiles: 3 });
    await sink.open();
    await sink.write(chunkAt(0, 1));
    await sink.write(chunkAt(1, 10));
    await sink.write(chunkAt(10, 11));
    clock.advance(60_000);
    await sink.write(chunkAt(11, 12));
    expect((await rowFiles()).map((name) => Number(name.slice(5, 21)))).toEqual([0, 10, 11]);
    clock.advance(60_000);
    await sink.write(chunkAt(12, 13));
    expect((await rowFiles()).map((name) => Number(name.slice(5, 21)))).toEqual([10, 11, 12]);
    expect(await offsets()).toEqual([10, 11, 12]);
  });

  test.each(["ndjson", "influx"] as const)("goes back to any offset (%s)", async (format) => {
    for (const offset of [0, 4, 5, 11, 12]) {
      await empty();
      const sink = sinkOf({ format, rotateBytes: 1200 });
      await sink.open();
      for (let from = 0; from < 12; from += 3) {
        const rows = [0, 1, 2].map((at) => rowAt(from + at, { number: null, text: "a\u2028 offset=0i,part=1" }));
        await sink.write(chunkAt(from, from + 3, { rows }));
      }
      await sink.rewind(offset, { offset, updated: 7 });
      const found = async () => (await lines()).map((line) => LINES[format].offsetOf(line));
      expect(await found()).toEqual(upTo(offset));
      const again = sinkOf({ format });
      expect((await again.open()).place).toEqual({ offset, updated: 7 });
      await again.write(chunkAt(offset, 14));
      expect(await found()).toEqual(upTo(14));
    }
  });

  test("makes its newest file again when that was cut or is gone, or its place cannot be believed", async () => {
    const newest = "rows-0000000000000003.ndjson";
    const damages = [
      () => truncate(join(directory, newest), 100),
      () => rm(join(directory, newest)),
      async () => {
        const path = join(directory, "place.json");
        const text = await readFile(path, "utf8");
        await writeFile(path, text.replace('"offset":5', '"offset":4'));
      },
    ];
    for (const damage of damages) {
      await empty();
      const sink = sinkOf({ rotateBytes: 1 });
      await sink.open();
      await sink.write(chunkAt(0, 3));
      await sink.write(chunkAt(3, 5));
      await damage();
      const again = sinkOf();
      expect((await again.open()).place?.offset).toBe(3);
      await again.write(chunkAt(3, 5));
      expect(await offsets()).toEqual(upTo(5));
    }
  });

  test("does not touch what another sink wrote, and says so of what the disk refuses", async () => {
    await sinkOf().write(chunkAt(0, 3));
    await expect(sinkOf({}, "other").open()).rejects.toThrow(/holds the rows of the sink test/u);
    const blocked = sinkOf({ directory: join(directory, "place.json") });
    await expect(blocked.open()).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  });
});

test("kill -9 at any moment: afterwards the lines are the log, each once", async () => {
  const random = seededRandom(9);
  const last = 1200;
  const child = new URL("../testing/files-child.ts", import.meta.url).pathname;
  for (let kill = 0, wanted = scaled(60); kill <= wanted; kill++) {
    const writer = spawn(process.execPath, [child, directory, String(last)], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(writer, "exit");
    const turns = kill === wanted ? Number.POSITIVE_INFINITY : 1 + random.below(6);
    let seen = 0;
    for await (const _ of createInterface({ input: writer.stdout })) {
      if (++seen < turns) continue;
      for (let spin = random.below(2_000_000); spin > 0; spin--);
      writer.kill("SIGKILL");
      break;
    }
    await ended;
  }
  const found = await lines();
  const expected = chunkAt(0, last).rows.map((row) => LINES.ndjson.line(row, "north").trimEnd());
  expect(found).toEqual(expected);
});
