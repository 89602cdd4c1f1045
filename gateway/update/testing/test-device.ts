import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApplyOptions } from "../apply.ts";
import type { DevicePaths } from "../device.ts";
import { bytesOf, diskWith, makeRelease, MAKER, type DiskWishes, type ReleaseFixture } from "./release-fixture.ts";

/** A machine in a folder: a file stands for its disk, a folder for its boot partition. */
export interface TestDevice {
  readonly directory: string;
  readonly paths: DevicePaths;
  readonly disk: string;
  /** The release that it runs. */
  readonly release: ReleaseFixture;
  /** Writes a release's update into the folder. Resolves with its path. */
  put(release: ReleaseFixture, change?: (update: Buffer) => Buffer): Promise<string>;
  /** Starts the other release, or the same one again: as far as the folder says. */
  starts(version: string): Promise<void>;
  /** SHA-256 of the whole disk, hex. */
  diskHash(): Promise<string>;
  remove(): Promise<void>;
}

/** Releases by version and what they build on: to make one takes longer than most tests. Nobody changes them. */
const made = new Map<string, Promise<ReleaseFixture>>();

function releaseOf(name: string, make: () => Promise<ReleaseFixture>): Promise<ReleaseFixture> {
  const one = made.get(name) ?? make();
  made.set(name, one);
  return one;
}

/** Disks as they were flashed, by what is on them: eight megabytes each, for every test, kept the collector of garbage busy. */
const disks = new Map<string, Buffer>();

function flashed(release: ReleaseFixture, wishes: DiskWishes): Buffer {
  const name = JSON.stringify([release.manifest.version, wishes]);
  const disk = disks.get(name) ?? diskWith(release, wishes);
  disks.set(name, disk);
  return disk;
}

const READ_AT_ONCE = Buffer.alloc(1 << 20);

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    for (;;) {
      const { bytesRead } = await file.read(READ_AT_ONCE, 0, READ_AT_ONCE.length);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(READ_AT_ONCE.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

export async function makeDevice({
  version = "1.0.0",
  ...wishes
}: DiskWishes & { version?: string } = {}): Promise<TestDevice> {
  const directory = await mkdtemp(join(tmpdir(), "paddock-update-"));
  const release = await releaseOf(version, () => makeRelease(version));
  const disk = join(directory, "disk.img");
  const paths: DevicePaths = {
    bootDir: join(directory, "boot"),
    entries: join(directory, "efi"),
    stateDir: join(directory, "state"),
    keys: join(directory, "release.pub.pem"),
    board: join(directory, "board"),
  };
  const starts = async (running: string): Promise<void> => writeFile(join(paths.bootDir, "release"), `${running}\n`);
  await mkdir(paths.bootDir);
  await mkdir(paths.entries);
  await writeFile(disk, flashed(release, wishes));
  await writeFile(join(paths.bootDir, "disk"), `${disk}\n`);
  await starts(version);
  await writeFile(join(paths.entries, `paddock_${version}.efi`), release.uki);
  await writeFile(paths.keys, MAKER.publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(paths.board, "uefi\n");
  return {
    directory,
    paths,
    disk,
    release,
    put: async (one, change = (update) => update) => {
      const path = join(directory, `paddock_${one.manifest.version}.update`);
      await writeFile(path, change(Buffer.from(one.update)));
      return path;
    },
    starts,
    diskHash: () => hashOf(disk),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A release that shares most of its bytes with that of the device. */
export async function nextRelease(
  { release }: Pick<TestDevice, "release">,
  version = "1.1.0",
): Promise<ReleaseFixture> {
  return releaseOf(`${version} after ${release.manifest.version}`, () =>
    makeRelease(version, {
      root: Buffer.concat([release.root.subarray(0, 150 * 4096), bytesOf(version, 40 * 4096)]),
      uki: Buffer.concat([release.uki.subarray(0, 20 * 4096), bytesOf(version, 5000)]),
    }),
  );
}

export function applyOptions(device: TestDevice, target: ApplyOptions["target"]): ApplyOptions {
  return {
    paths: device.paths,
    target,
    allowDowngrade: false,
    lastReceiptS: async () => 12,
    tell: () => {},
    progress: () => {},
    http: { retryAfterMs: [1, 1] },
    now: () => 1_790_000_000_000,
  };
}
