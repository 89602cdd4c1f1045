import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";
import type { LockedPackage } from "../image/debian.ts";
import type { Tree } from "../image/tree.ts";
import type { DebianPart, ImageParts, NodePart, NpmPart } from "./parts.ts";

export interface PartSources {
  /** The root file system. */
  readonly tree: Tree;
  /** Folders with the content of packages, by the packages' names. */
  readonly folders: ReadonlyMap<string, string>;
  readonly packages: readonly LockedPackage[];
  readonly kernelPackage: LockedPackage;
  /** Files of the EFI partition by the name of the package that they come from. */
  readonly esp: Readonly<Record<string, readonly string[]>>;
  /** Folder that `npm run bundle` made. */
  readonly bundle: string;
  readonly lockFile: string;
  /** Node without its symbols. */
  readonly node: string;
  /** What it says process.versions to be. */
  readonly nodeVersions: Readonly<Record<string, string>>;
  /** What Debian calls the architecture of the packages. */
  readonly architecture: string;
}

/** Finds out whose files an image holds. Rejects at a file of nobody. */
export async function collectParts(sources: PartSources): Promise<ImageParts> {
  const [debian, npm, node] = [await debianParts(sources), await npmParts(sources), await nodePart(sources)];
  return { debian, npm, node };
}

async function debianParts(sources: PartSources): Promise<DebianPart[]> {
  const { tree, folders, packages, kernelPackage, esp, node, bundle, architecture } = sources;
  const files = new Map<string, string[]>(
    Object.entries(esp).map(([name, paths]) => [name, paths.map((path) => `esp:${path}`)]),
  );
  const owners = [...folders].map(([name, folder]) => [name, `${folder}/`] as const);
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") continue;
    // Modules are unpacked on the way, so they no longer lie in the folder of their package.
    const name = path.startsWith("usr/lib/modules/")
      ? kernelPackage.name
      : owners.find(([, folder]) => entry.from.startsWith(folder))?.[0];
    if (name !== undefined) files.set(name, [...(files.get(name) ?? []), path]);
    else if (entry.from !== node && !entry.from.startsWith(`${bundle}/`))
      throw new Error(`/${path} is of no package: it would be missing in the bill of materials`);
  }
  return Promise.all(
    packages
      .filter(({ name }) => files.has(name))
      .map(async ({ name, version, sha256 }) => {
        const licences = licencesOf(await copyright(name, folders));
        return { name, architecture, version, sha256, licences, files: files.get(name)!.toSorted() };
      }),
  );
}

/** The package's copyright file, or that of the package whose folder stands in for its own; empty where that is not there. */
async function copyright(name: string, folders: ReadonlyMap<string, string>): Promise<string> {
  const place = join(folders.get(name)!, "usr/share/doc", name);
  const other = await readlink(place).catch(() => undefined);
  if (other !== undefined) return folders.has(other) ? copyright(other, folders) : "";
  return readFile(join(place, "copyright"), "utf8").catch(() => "");
}

/** Names of licences in a copyright file for machines (Debian's copyright format 1.0), sorted. */
export function licencesOf(text: string): string[] {
  if (!/^Format: .*copyright-format/m.test(text)) return [];
  const names = [...text.matchAll(/^License: *(\S.*)$/gm)].map(([, name]) => name!.trim());
  return [...new Set(names)].toSorted();
}

const BundledSchema = v.array(v.object({ name: v.string(), version: v.string(), licence: v.string() }));
const LockSchema = v.object({
  packages: v.record(v.string(), v.looseObject({ version: v.optional(v.string()), integrity: v.optional(v.string()) })),
});

async function npmParts({ bundle, lockFile }: PartSources): Promise<NpmPart[]> {
  const bundled = v.parse(BundledSchema, JSON.parse(await readFile(join(bundle, "packages.json"), "utf8")));
  const lock = Object.entries(v.parse(LockSchema, JSON.parse(await readFile(lockFile, "utf8"))).packages);
  return bundled.map((one) => {
    const locked = lock.find(
      ([path, { version }]) => path.endsWith(`node_modules/${one.name}`) && version === one.version,
    )?.[1];
    if (locked?.integrity?.startsWith("sha512-") !== true)
      throw new Error(`package-lock.json has no SHA-512 of ${one.name} ${one.version}, which is in the bundle`);
    const { name, version, licence } = one;
    return { name, version, licence, integrity: locked.integrity };
  });
}

async function nodePart({ node, nodeVersions }: PartSources): Promise<NodePart> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(node), hash);
  const { node: version, modules: _abi, napi: _api, ...contains } = nodeVersions;
  return { version: version!, sha256: hash.digest("hex"), contains };
}
