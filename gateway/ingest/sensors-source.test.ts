import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { jsonLinesLog } from "@paddock/base/log.ts";
import { KEY_HEX } from "./fixture.ts";
import { splitStates } from "./sensors.ts";
import { SensorsSource } from "./sensors-source.ts";

let directory: string;
let file: string;
let log: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-sensors-source-"));
  file = join(directory, "sensors.json");
  log = [];
});
afterEach(() => rm(directory, { recursive: true }));

const source = (path = file): SensorsSource =>
  new SensorsSource(
    path,
    directory,
    jsonLinesLog("debug", (line) => void log.push(line)),
  );
const write = async (text: string, mode = 0o640): Promise<void> => {
  await writeFile(file, text);
  await chmod(file, mode);
};
const GOOD = JSON.stringify({ sensors: { barn: { key: KEY_HEX } } });

describe("a sensors file that cannot be used", () => {
  test.each([
    ["half-written", GOOD.slice(0, 40)],
    ["empty", ""],
    ["of another shape", "[]"],
    ["gone", undefined],
  ])("%s: the last good copy starts the gateway, loudly, and a mended file takes over", async (_what, text) => {
    await write(GOOD);
    const before = await source().start();
    const copy = join(directory, "sensors.last-good.json");
    expect((await stat(copy)).mode & 0o777).toBe(0o600);
    if (text === undefined) await rm(file);
    else await write(text);

    const after = source();
    expect((await after.start()).sensors).toEqual(before.sensors);
    expect(after.problems).toMatchObject([{ text: expect.stringContaining("last good copy") as string }]);
    expect(JSON.parse(log.at(-1)!)).toMatchObject({ event: "sensors-copy-used", level: "error", sensors: 1, copy });
    expect(log.join("")).not.toContain(KEY_HEX);

    expect(await after.reload()).toBeUndefined();
    await write(JSON.stringify({ sensors: { shed: { key: KEY_HEX } } }));
    expect(Object.keys((await after.reload())!.sensors)).toEqual(["shed"]);
    expect(after.problems).toEqual([]);
    expect(await readFile(copy, "utf8")).toContain("shed");
  });

  test("without a good copy of this very file there is no start", async () => {
    await write("{");
    await expect(source().start()).rejects.toMatchObject({ code: expect.stringMatching(/^CONFIG_/) as string });
    await write(GOOD);
    await source().start();
    await expect(source(join(directory, "other.json")).start()).rejects.toMatchObject({ code: "CONFIG_UNREADABLE" });
    const copy = join(directory, "sensors.last-good.json");
    await write("{");
    await writeFile(copy, (await readFile(copy, "utf8")).replace("barn", "born"));
    await expect(source().start()).rejects.toThrow();
  });

  test("a reload of a bad file says so in the status until it is mended", async () => {
    await write(GOOD);
    const one = source();
    await one.start();
    await write("{");
    expect(await one.reload()).toBeUndefined();
    expect(one.problems).toMatchObject([{ text: expect.stringContaining("old sensors stay in force") as string }]);
    await write(GOOD);
    await one.reload();
    expect(one.problems).toEqual([]);
  });
});

test("keys that every user can read are told, in the file itself and in the key files that it names", async () => {
  await write(GOOD, 0o644);
  const one = source();
  await one.start();
  expect(one.problems).toMatchObject([{ next: `chmod o-rwx ${file}` }]);
  expect(JSON.parse(log.at(-1)!)).toMatchObject({ event: "sensors-exposed", path: file });
  await chmod(file, 0o640);
  await one.reload();
  expect(one.problems).toEqual([]);

  const keyFile = join(directory, "barn.key");
  await writeFile(keyFile, KEY_HEX);
  await chmod(keyFile, 0o604);
  await write(JSON.stringify({ sensors: { barn: { keyFile: "barn.key" }, tree: { addresses: ["::2"] } } }), 0o644);
  await one.reload();
  expect(one.problems.map(({ next }) => next)).toEqual([`chmod o-rwx ${keyFile}`]);
});

test("states of sensors that are no longer configured, or have no key any more, are told apart", () => {
  const names = ["barn/alarm", "barn/bulk", "barn/urgent", "shed/alarm", "tree/alarm"].map((name) => `replay:${name}`);
  const states = new Map(names.map((name) => [name, Buffer.of(1)]));
  const plain = { addresses: [], rateFramesPerS: 0 };
  const { kept, gone } = splitStates(states, { sensors: { barn: { ...plain, key: KEY_HEX }, tree: plain } });
  expect([...kept.keys()]).toEqual(["replay:barn/alarm", "replay:barn/bulk"]);
  expect(gone).toEqual(["replay:barn/urgent", "replay:shed/alarm", "replay:tree/alarm"]);
});
