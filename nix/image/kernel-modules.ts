import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "./run.ts";
import type { Tree } from "./tree.ts";

/** What depmod writes that the one or the other modprobe reads. */
const INDEXES = {
  kmod: [
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols.bin",
  ],
  busybox: ["modules.alias", "modules.dep", "modules.symbols"],
} as const;

export interface ModuleSource {
  /** The kernel's release, such as 6.12.1-amd64. */
  readonly release: string;
  /** Folder with the kernel's modules on this machine. */
  readonly folder: string;
  /** File in which what each module needs is kept from build to build: finding it out unpacks them all. */
  readonly index: string;
  /** Folder for what is made on the way; it must be there, and nobody else may use it. */
  readonly scratch: string;
}

/** The one kernel of an unpacked package. */
export async function kernelRelease(packageFolder: string): Promise<string> {
  const [release, ...more] = await readdir(join(packageFolder, "usr/lib/modules"));
  if (release === undefined || more.length > 0) throw new Error(`${packageFolder} has not just one kernel`);
  return release;
}

/**
 * Puts the modules and all that they need into the tree, unpacked, as the file system around them compresses better, with
 * the indexes of just these for the modprobe that there is. Throws at a name that the kernel has neither as a module nor built in.
 */
export async function takeModules(
  tree: Tree,
  source: ModuleSource,
  wanted: readonly string[],
  modprobe: keyof typeof INDEXES,
): Promise<void> {
  const { release, folder, scratch } = source;
  const dependencies = await dependenciesOf(source);
  const builtIn = new Set(
    (await readFile(join(folder, "modules.builtin"), "utf8")).split("\n").map((path) => nameOf(path)),
  );
  const byName = new Map([...dependencies.keys()].map((path) => [nameOf(path), path]));
  const paths = new Set<string>();
  for (const name of wanted) {
    const path = byName.get(name);
    if (path === undefined && !builtIn.has(name)) throw new Error(`The kernel has no module ${name}`);
    if (path !== undefined) for (const one of [path, ...dependencies.get(path)!]) paths.add(one);
  }
  const root = join(scratch, "modules");
  await rm(root, { recursive: true, force: true });
  const place = join(root, "lib/modules", release);
  await mkdir(place, { recursive: true });
  for (const path of [...paths].toSorted()) {
    const plain = path.replace(/\.xz$/, "");
    const to = join(place, plain);
    await mkdir(join(to, ".."), { recursive: true });
    await run("sh", ["-c", 'exec xz -dc "$1" > "$2"', "sh", join(folder, path), to]);
    tree.set(`usr/lib/modules/${release}/${plain}`, { kind: "file", mode: 0o644, from: to });
  }
  for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"])
    await writeFile(join(place, name), await readFile(join(folder, name)));
  await run("depmod", ["-b", root, release]);
  for (const name of INDEXES[modprobe])
    tree.set(`usr/lib/modules/${release}/${name}`, { kind: "file", mode: 0o644, from: join(place, name) });
}

async function dependenciesOf({ release, folder, index, scratch }: ModuleSource): Promise<Map<string, string[]>> {
  if (!existsSync(index)) {
    const root = join(scratch, "all-modules");
    await rm(root, { recursive: true, force: true });
    await mkdir(join(root, "lib/modules"), { recursive: true });
    await symlink(folder, join(root, "lib/modules", release));
    const text = await run("depmod", ["-n", "-b", root, release]);
    const lines = text.split("\n").filter((line) => line.startsWith("kernel/") && line.includes(":"));
    await writeFile(`${index}.new`, lines.join("\n"));
    await rename(`${index}.new`, index);
  }
  const lines = (await readFile(index, "utf8")).split("\n").map((line) => line.split(":"));
  return new Map(lines.map(([path, needs = ""]) => [path!, needs.trim().split(" ").filter(Boolean)]));
}

function nameOf(path: string): string {
  return basename(path)
    .replace(/\.ko(?:\.xz)?$/, "")
    .replaceAll("-", "_");
}
