import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { deadLetterFile, DeadLetters, readDeadLetters } from "./dead-letters.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-dead-"));
  path = deadLetterFile(directory, "a");
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const letter = (offset: number) => ({ offset, gateway: "ab", source: "mote", reason: `no ${offset}` });
const letters = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => letter(from + at));

test("what a chunk has counts once, however often and in whatever pieces it is given", async () => {
  const kept = await DeadLetters.open(path, silentLog);
  const missing = { offset: 4, count: 6, why: "evicted" };
  await kept.keep(12, [letter(1), letter(10)], [missing]);
  await kept.keep(12, [letter(1), letter(10)], [missing]);
  const again = await DeadLetters.open(path, silentLog);
  await again.keep(7, [letter(1)], [{ ...missing, count: 3 }]);
  await again.keep(20, [letter(10), letter(13), letter(13)], [{ offset: 11, count: 4, why: "entry" }]);
  expect(await readDeadLetters(path)).toMatchObject({
    upTo: 20,
    total: 4,
    // Of the last, what lies before offset 12 had been looked at.
    missing: { evicted: 6, entry: 3 },
    letters: [letter(1), letter(10), letter(13), letter(13)],
  });
});

test("the newest thousand are kept, with reasons of bounded length, and all are counted", async () => {
  const kept = await DeadLetters.open(path, silentLog);
  await kept.keep(900, letters(0, 900), []);
  await kept.keep(1500, [...letters(900, 1499), { ...letter(1499), reason: "x".repeat(10_000) }], []);
  const { total, letters: list } = await readDeadLetters(path);
  expect([total, list.length, list[0]!.offset, list.at(-1)!.reason.length]).toEqual([1500, 1000, 500, 400]);
});

test("after a rebuild it counts from there on", async () => {
  const kept = await DeadLetters.open(path, silentLog);
  await kept.keep(10, letters(0, 10), []);
  await kept.rewind(30);
  expect(kept.report.total).toBe(10);
  await kept.rewind(4);
  expect(kept.report).toMatchObject({ countedFrom: 4, total: 0, letters: letters(0, 4) });
  await kept.keep(10, letters(4, 10), []);
  expect(kept.report).toMatchObject({ total: 6, letters: letters(0, 10) });
});

test("a damaged list is set aside", async () => {
  await writeFile(path, '{"upTo":"now"}');
  await expect(readDeadLetters(path)).rejects.toThrow();
  expect((await DeadLetters.open(path, silentLog)).report.total).toBe(0);
  expect(await readdir(directory)).toEqual(["a.dead.json.damaged"]);
});
