import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LakeLock } from "./lake-lock.ts";

const SILENT_MS = 400;
const ELSEWHERE = "7 12345 c0ffee00-0000-4000-8000-000000000000/pid:[4026531836]";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-lock-"));
  file = join(directory, "_lock");
});
afterEach(() => rm(directory, { recursive: true }));

test("who has it keeps others out, and leaves nothing behind", async () => {
  const lock = await LakeLock.take(directory);
  await expect(LakeLock.take(directory)).rejects.toMatchObject({
    code: "SINK_REFUSED",
    message: `Process ${process.pid} has the lake in ${directory}.`,
  });
  await lock.check();
  await lock.release();
  expect(await readdir(directory)).toEqual([]);
});

test("a process of this machine that is gone holds nothing, not even when its number was given again", async () => {
  const lock = await LakeLock.take(directory);
  const [, start, world] = (await readFile(file, "utf8")).split(" ");
  await lock.release();
  for (const holder of ["999999999 1", `${process.pid} ${Number(start) - 1}`, `1 ${start}`]) {
    await writeFile(file, `${holder} ${world}`);
    await (await LakeLock.take(directory, 60_000)).release();
  }
});

test("a process of another container is there as long as it touches the lock", async () => {
  await writeFile(file, ELSEWHERE);
  let nowS = 1_790_000_000;
  const touching = setInterval(() => void utimes(file, ++nowS, nowS), 20);
  await expect(LakeLock.take(directory, 5000)).rejects.toMatchObject({
    code: "SINK_REFUSED",
    message: expect.stringMatching(/^A process of another container or machine has the lake/u),
  });
  clearInterval(touching);
});

test.each([
  ["another container that is silent", ELSEWHERE],
  ["an older version", "7 12345"],
  ["nobody, cut off while it was written", ""],
])("a lock of %s is taken over", async (_, content) => {
  await writeFile(file, content);
  const lock = await LakeLock.take(directory, SILENT_MS);
  await lock.check();
  await lock.release();
});

test("from whom it was taken finds out, and leaves it to the other one", async () => {
  const lock = await LakeLock.take(directory);
  await writeFile(file, ELSEWHERE);
  await expect(lock.check()).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  await lock.release();
  expect(await readFile(file, "utf8")).toBe(ELSEWHERE);
  expect(await readdir(directory)).toEqual(["_lock"]);
});
