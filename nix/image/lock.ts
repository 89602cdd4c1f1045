import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { BUILDER, type Architecture } from "./architectures.ts";
import { PACKAGES } from "./contents.ts";
import type { Apt, LockedPackage } from "./debian.ts";
import { EROFS_PACKAGES } from "./erofs.ts";

/** The packages of one lock file: each in one version, and no other. */
export interface LockedPackages {
  /** What files of the image are taken from. */
  readonly image: readonly LockedPackage[];
  /** What the builder runs, for its own processor. */
  readonly tools: readonly LockedPackage[];
}

/** What a lock file has for an architecture. */
export async function readLock(file: string, architecture: Architecture): Promise<LockedPackages> {
  const packages = JSON.parse(await readFile(file, "utf8")) as LockedPackage[];
  const of = (debian: string): LockedPackage[] =>
    packages.filter((one) => (one.architecture ?? BUILDER.debian) === debian);
  const image = of(architecture.debian);
  if (image.length === 0) throw new Error(`${file} has no packages for ${architecture.debian}`);
  return { image, tools: of(BUILDER.debian) };
}

/** What the lock has. What the mirrors have now, and locks that, where there is no such file or with `renew`. */
export async function lockedPackages(
  apt: Apt,
  architecture: Architecture,
  { lock, renew }: { readonly lock: string; readonly renew: boolean },
): Promise<LockedPackages> {
  if (renew || !existsSync(lock)) {
    await apt.update();
    const names = [...PACKAGES, await apt.kernelBehind(architecture)];
    const packages = await apt.newest(names, architecture.debian);
    if (architecture !== BUILDER) packages.push(...(await apt.newest(EROFS_PACKAGES, BUILDER.debian)));
    await writeFile(lock, `${JSON.stringify(packages, null, 2)}\n`);
  }
  return readLock(lock, architecture);
}
