import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { bootEntries } from "./boot-entries.ts";
import { install, planInstall, type Installation, type InstallPlan } from "./install.ts";
import { LocalChunks } from "./local-chunks.ts";
import type { ReleaseSource } from "./ports.ts";
import { readSlots } from "./slots.ts";
import { CrashDisk, CrashFolder, Power, PowerCut } from "./testing/crash-device.ts";
import { bytesOf, diskWith, makeRelease, type ReleaseFixture } from "./testing/release-fixture.ts";

const OLD = await makeRelease("1.0.0");
/** Has half of the old root, further back, and most of the old program. */
const NEW = await makeRelease("1.1.0", {
  root: Buffer.concat([bytesOf("new", 10 * 4096), OLD.root.subarray(0, 150 * 4096), bytesOf("end", 30 * 4096)]),
  uki: Buffer.concat([OLD.uki.subarray(0, 20 * 4096), bytesOf("new program", 7000)]),
});

/** As it is after flashing. */
const FLASHED = diskWith(OLD);

interface Counted extends ReleaseSource {
  bytes: number;
}

function sourceOf({ manifest, root, uki }: ReleaseFixture): Counted {
  const parts = { root, uki };
  const source: Counted = {
    manifest,
    manifestSha256: "",
    bytes: 0,
    read: async (part, offset, length) => {
      source.bytes += length;
      return parts[part].subarray(offset, offset + length);
    },
    close: async () => {},
  };
  return source;
}

interface World {
  readonly disk: CrashDisk;
  readonly boot: CrashFolder;
}

function flashed(): World {
  return { disk: new CrashDisk(FLASHED), boot: new CrashFolder({ "paddock_1.0.0.efi": OLD.uki }) };
}

async function attempt({ disk, boot }: World, source: ReleaseSource): Promise<InstallPlan> {
  const slots = await readSlots(disk, "1.0.0");
  const { offset } = slots.active.root;
  const local = await LocalChunks.index([
    { read: (at, length) => disk.read(offset + at, length), bytes: OLD.root.length },
    { read: (at, length) => boot.read("paddock_1.0.0.efi", at, length), bytes: OLD.uki.length },
  ]);
  const installation: Installation = { disk, boot, source, slots, running: "1.0.0", local, tell: () => {} };
  const plan = await planInstall(installation);
  await install(installation, plan);
  return plan;
}

/** What a start would find: each program that the boot loader could take must have a whole release behind it. */
async function startable({ disk, boot }: World): Promise<string[]> {
  const versions: string[] = [];
  for (const { file, version } of bootEntries(await boot.list())) {
    const release = [OLD, NEW].find(({ manifest }) => manifest.version === version)!;
    expect(boot.files.get(file)!.equals(release.uki), `${file} is whole`).toBe(true);
    const { active } = await readSlots(disk, version);
    const root = await disk.read(active.root.offset, release.root.length);
    expect(root.equals(release.root), `the root of ${version} is whole`).toBe(true);
    const verity = await disk.read(active.verity.offset, release.verity.length);
    expect(verity.equals(release.verity), `the hashes of ${version} are whole`).toBe(true);
    versions.push(version);
  }
  return versions.toSorted();
}

describe("a release is written into the other slot", () => {
  test("is whole then, and what this device had was not fetched", async () => {
    const world = flashed();
    const source = sourceOf(NEW);
    const plan = await attempt(world, source);
    expect(await startable(world)).toEqual(["1.0.0", "1.1.0"]);
    expect(world.boot.files.has("paddock_1.1.0+3.efi")).toBe(true);
    expect(source.bytes).toBe(plan.fetchBytes);
    expect(source.bytes).toBeLessThan((NEW.root.length + NEW.uki.length) * 0.5);
  });

  test("a second time there is nothing to do", async () => {
    const world = flashed();
    await attempt(world, sourceOf(NEW));
    const again = sourceOf(NEW);
    world.disk.power = new Power(0);
    world.boot.power = new Power(0);
    expect(await attempt(world, again)).toMatchObject({ isInstalled: true, fetchBytes: 0 });
    expect(again.bytes).toBe(0);
  });

  test("one that is marked as bad is given its tries again", async () => {
    const world = flashed();
    await attempt(world, sourceOf(NEW));
    await world.boot.rename("paddock_1.1.0+3.efi", "paddock_1.1.0+0-3.efi");
    await attempt(world, sourceOf(NEW));
    expect([...world.boot.files.keys()].toSorted()).toEqual(["paddock_1.0.0.efi", "paddock_1.1.0+3.efi"]);
  });

  test("a source with other bytes is found out before the other release is given up", async () => {
    const world = flashed();
    await attempt(world, sourceOf(NEW));
    const third = await makeRelease("1.2.0");
    const liar = {
      ...sourceOf(third),
      read: async (_part: unknown, _offset: number, length: number) => Buffer.alloc(length),
    };
    await expect(attempt(world, liar)).rejects.toMatchObject({ code: "UPDATE_SOURCE" });
    expect(await startable(world)).toEqual(["1.0.0", "1.1.0"]);
  });

  test("a chunk that reads differently than before is fetched", async () => {
    const world = flashed();
    const slots = await readSlots(world.disk, "1.0.0");
    const source = sourceOf(NEW);
    const local = await LocalChunks.index([
      { read: async (at, length) => OLD.root.subarray(at, at + length), bytes: OLD.root.length },
    ]);
    local.take = async () => undefined;
    const installation = { ...world, source, slots, running: "1.0.0", local, tell: () => {} };
    await install(installation, await planInstall(installation));
    expect(await startable(world)).toEqual(["1.0.0", "1.1.0"]);
  });
});

/** Changes of an update that is not cut off. */
async function changesOf(): Promise<number> {
  const world = flashed();
  world.boot.power = world.disk.power;
  await attempt(world, sourceOf(NEW));
  return world.disk.power.changes;
}

const CHANGES = await changesOf();

test("cut off before any of its changes, it leaves what can be started, and the next attempt ends it", async () => {
  expect(CHANGES).toBeGreaterThan(30);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(CHANGES - 1),
      fc.nat(CHANGES - 1),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999 })),
      (first, second, stream) => cutTwice(first, second, stream),
    ),
    { numRuns: scaled(200) },
  );
  // Nothing of it, all of it, every second piece: tables torn, names without their contents. At full scale all of them at each
  // change, else one of them at every third.
  const patterns = [[0], [0.999], [0, 0.999], [0, 0.999, 0, 0]];
  const isWhole = scaled(patterns.length) === patterns.length;
  for (let cut = 0; cut < CHANGES; cut += isWhole ? 1 : 3) {
    for (const pattern of isWhole ? patterns : [patterns[cut % patterns.length]!])
      await cutTwice(cut, CHANGES, repeated(pattern));
  }
});

function* repeated(pattern: readonly number[]): Generator<number, never> {
  for (;;) yield* pattern;
}

async function cutTwice(first: number, second: number, stream: Iterator<number>): Promise<void> {
  const chance = (): number => stream.next().value;
  const world = flashed();
  for (const cutAt of [first, second]) {
    world.disk.power = world.boot.power = new Power(cutAt);
    try {
      await attempt(world, sourceOf(NEW));
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
    world.disk.restart(chance);
    world.boot.restart(chance);
    expect(await startable(world)).toContain("1.0.0");
  }
  await attempt(world, sourceOf(NEW));
  expect(await startable(world)).toEqual(["1.0.0", "1.1.0"]);
}
