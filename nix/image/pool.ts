import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { Architecture } from "./architectures.ts";
import { run } from "./run.ts";
import type { Tree } from "./tree.ts";

/**
 * The files of many packages, to take single ones from. Taking a program takes what it is linked with, too: a library
 * that no package has is an error here and not on the device.
 */
export class Pool {
  readonly #folders: ReadonlyMap<string, string>;
  readonly #libraries: readonly string[];
  readonly #used = new Set<string>();

  /** Folders with the content of packages, by the packages' names, and the folder in which they have libraries. */
  constructor(folders: ReadonlyMap<string, string>, { libraries }: Pick<Architecture, "libraries">) {
    this.#folders = folders;
    this.#libraries = [libraries, `${libraries}/systemd`];
  }

  /** The packages that something was taken from, sorted. */
  get used(): string[] {
    return [...this.#used].toSorted();
  }

  /** Where the file lies on this machine. Throws when no package has it. */
  find(path: string): string {
    const found = this.#look(path);
    if (found === undefined) throw new Error(`No package of the list has ${path}`);
    return found;
  }

  /** Names in a folder of all packages together, sorted. */
  list(folder: string): string[] {
    const names = [...this.#folders.values()].flatMap((root) =>
      existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [],
    );
    return [...new Set(names)].toSorted();
  }

  /** Puts the files into the tree, with what links point to and with the libraries that programs need. */
  async take(tree: Tree, paths: Iterable<string>): Promise<void> {
    const fresh = [...paths].flatMap((path) => this.#put(tree, path));
    await this.takeLibraries(
      tree,
      fresh.map((path) => this.find(path)),
    );
  }

  /** Puts the libraries into the tree that programs on this machine need, which no package has. */
  async takeLibraries(tree: Tree, programs: readonly string[]): Promise<void> {
    let fresh = programs;
    while (fresh.length > 0) {
      const needed = await librariesOf(fresh);
      fresh = needed.flatMap(({ library, by }) => {
        const path = this.#libraries
          .map((folder) => `${folder}/${library}`)
          .find((one) => this.#look(one) !== undefined);
        if (path === undefined) throw new Error(`${by} needs ${library}, which no package of the list has`);
        return this.#put(tree, path).map((one) => this.find(one));
      });
    }
  }

  /** Puts one file and what it links to; returns those that are new and no links. */
  #put(tree: Tree, path: string): string[] {
    if (tree.has(path)) return [];
    const from = this.find(path);
    const stat = lstatSync(from);
    if (stat.isSymbolicLink()) {
      const to = readlinkSync(from);
      tree.set(path, { kind: "link", to });
      return to === "/dev/null"
        ? []
        : this.#put(tree, normalize(to.startsWith("/") ? to.slice(1) : join(dirname(path), to)));
    }
    if (!stat.isFile()) throw new Error(`${path} is no file`);
    tree.set(path, { kind: "file", mode: (stat.mode & 0o111) === 0 ? 0o644 : 0o755, from });
    return [path];
  }

  #look(path: string): string | undefined {
    for (const [name, root] of this.#folders) {
      const place = join(root, path);
      if (lstatSync(place, { throwIfNoEntry: false }) === undefined) continue;
      this.#used.add(name);
      return place;
    }
    return undefined;
  }
}

/** What the files are linked with; scripts and data are linked with nothing. */
async function librariesOf(files: readonly string[]): Promise<{ library: string; by: string }[]> {
  // The same file twice makes readelf name them all, and -d of what is no ELF file is an error that does not matter.
  const text = await run("sh", ["-c", 'readelf -d "$@" 2>/dev/null || true', "sh", ...files, files[0]!]);
  let by = "";
  return text.split("\n").flatMap((line) => {
    by = /^File: (.*)$/.exec(line)?.[1] ?? by;
    const library = /\(NEEDED\)\s+Shared library: \[([^\]]+)\]/.exec(line)?.[1];
    return library === undefined ? [] : [{ library, by }];
  });
}
