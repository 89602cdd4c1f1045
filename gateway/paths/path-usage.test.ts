import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { PathUsageFile } from "./path-usage.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-usage-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("what a metered path used survives a restart; a damaged file counts from nothing and stops nobody", async () => {
  const usage = { lte: { monthStartMs: 1_000, bytes: 4_096 } };
  const clock = new VirtualClock();
  expect(await new PathUsageFile(directory, clock, silentLog).read()).toEqual({});
  await new PathUsageFile(directory, clock, silentLog).stop(usage);
  expect(await new PathUsageFile(directory, clock, silentLog).read()).toEqual(usage);
  await writeFile(join(directory, "usage.json"), '{"lte":7}');
  expect(await new PathUsageFile(directory, clock, silentLog).read()).toEqual({});
});

test("a disk that refuses is one warning", async () => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (event: string) => warnings.push(event) };
  await new PathUsageFile(join(directory, "none"), new VirtualClock(), log).save({
    lte: { monthStartMs: 0, bytes: 1 },
  });
  expect(warnings).toEqual(["usage-not-saved"]);
});

const usage = (bytes: number) => ({ lte: { monthStartMs: 0, bytes } });

test("a stop during the save of every ten minutes waits for its turn, and its word is the last", async () => {
  const warn = vi.fn();
  const clock = new VirtualClock();
  const file = new PathUsageFile(directory, clock, { ...silentLog, warn });
  file.start(() => usage(1));
  clock.advance(600_000);
  void file.save(usage(2));
  await file.stop(usage(3));
  expect(warn).not.toHaveBeenCalled();
  expect(await file.read()).toEqual(usage(3));
});
