import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { gatewayCommand } from "../cli/gateway-command.ts";
import { clearConfig, erase } from "./erase.ts";

const READING = Buffer.from("reading-of-the-north-barn-21.5");
const MIB = 1024 * 1024;

const command = (...args: string[]) => runInProcess(gatewayCommand, ["factory-reset", ...args]);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "paddock-reset-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A data partition of an odd size with readings at its start, across a megabyte, and as its last bytes. */
async function usedPartition(): Promise<string> {
  const bytes = Buffer.alloc(3 * MIB + 777, 0x5a);
  for (const at of [0, MIB - 5, bytes.length - READING.length]) READING.copy(bytes, at);
  const path = join(folder, "data.img");
  await writeFile(path, bytes);
  return path;
}

test("no reading is found in the raw partition afterwards, and its size is the same", async () => {
  const path = await usedPartition();
  expect((await readFile(path)).indexOf(READING)).toBe(0);
  expect(await erase(path, () => {})).toBe(3 * MIB + 777);
  const after = await readFile(path);
  expect(after.indexOf(READING)).toBe(-1);
  expect(after.equals(Buffer.alloc(3 * MIB + 777))).toBe(true);
});

test("a device that cannot be opened or written says what to do", async () => {
  await expect(erase(join(folder, "missing"), () => {})).rejects.toMatchObject({ code: "RESET_FAILED" });
  await expect(erase("/dev/full", () => {})).rejects.toMatchObject({
    code: "RESET_FAILED",
    message: expect.stringContaining("at byte 0") as string,
  });
});

test("CONFIG keeps its explanation alone", async () => {
  await mkdir(join(folder, "network"));
  for (const name of [
    "README.txt",
    "factory-reset",
    "factory-reset.txt",
    "gateway.json",
    "claim.txt",
    "network/10-wan.network",
  ])
    await writeFile(join(folder, name), "let-me-in");
  await clearConfig(folder);
  expect(await readdir(folder)).toEqual(["README.txt"]);
});

test("the command asks for it, does it, and takes nothing else for granted", async () => {
  expect(await command("--config-dir", folder)).toMatchObject({ code: 0 });
  expect(await readdir(folder)).toEqual(["factory-reset"]);
  const path = await usedPartition();
  expect(await command("--erase", path)).toMatchObject({ code: 0, stdout: /reads as zeros/u });
  expect((await stat(path)).size).toBe(3 * MIB + 777);
  expect(await command("--erase", join(folder, "missing"))).toMatchObject({ code: 2 });
});
