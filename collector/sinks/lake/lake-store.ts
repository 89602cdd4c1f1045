import { readFile } from "node:fs/promises";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Dating, Row } from "../row.ts";
import { UNFINISHED, type LakeDisk } from "./lake-disk.ts";
import { Manifest, placeOf, united, type LakeCommit, type LakeFile, type OffsetRange } from "./manifest.ts";
import { hashOf, makePart, type MadeFile } from "./part-file.ts";
import { keysIn, rowsIn } from "./read-rows.ts";

export const MANIFEST = "_manifest.jsonl";
const BOOTS = "boots.ndjson";
/** What was found where a file of the lake should be, kept for a person under a name that no reader looks at. */
const SET_ASIDE = ".set-aside";
/** Files that are written at a time. */
const WRITES_MAX = 16;
/** Bytes of the journal from which on it is written anew when that halves it. */
const JOURNAL_BYTES = 4 << 20;

/** A file of the manifest that is not there, or has other bytes than were written. */
export class LostFile extends Error {
  readonly file: LakeFile;

  constructor(file: LakeFile, why: string) {
    super(`${file.name} ${why}`);
    this.file = file;
  }
}

/**
 * The files of a lake and the journal that says which count. Files are written under another name; the journal's line
 * makes them count, and then they get their names: what a crash leaves of that, `open` ends.
 */
export class LakeStore {
  readonly #disk: LakeDisk;
  readonly #log: Log;
  #manifest = new Manifest();

  constructor(disk: LakeDisk, log: Log) {
    this.#disk = disk;
    this.#log = log;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Reads the journal and makes the disk what it says. Returns the files that are lost, which it still names. */
  async open(): Promise<LakeFile[]> {
    await this.#readJournal();
    const found = new Set(await this.#disk.files());
    const folders = new Set<string>();
    const change = async (name: string, to?: string): Promise<void> => {
      await (to === undefined ? this.#disk.remove(name) : this.#disk.rename(name, to));
      folders.add(folderOf(name));
    };
    const { files, removed } = this.#manifest;
    for (const name of found) {
      if (!name.endsWith(UNFINISHED)) continue;
      const final = name.slice(0, -UNFINISHED.length);
      const isWanted = files.has(final) && !found.has(final);
      await change(name, isWanted ? final : undefined);
      if (isWanted) found.add(final);
    }
    for (const name of found) {
      if (!name.endsWith(".parquet") || files.has(name)) continue;
      if (removed.has(name)) await change(name);
      else await this.#setAside(name, "no commit of the manifest names it", folders);
    }
    const lost: LakeFile[] = [];
    for (const file of files.values()) {
      const length = found.has(file.name) ? await this.#disk.length(file.name) : undefined;
      if (length === file.bytes) continue;
      lost.push(file);
      if (length === undefined) continue;
      await this.#setAside(file.name, `it has ${length} bytes, not ${file.bytes}`, folders);
    }
    await this.#disk.syncFolders(folders);
    await this.#writeBoots();
    await this.#shorten();
    return lost;
  }

  /** Writes the files of rows by partition under their unfinished names. */
  async prepare(partitions: ReadonlyMap<string, readonly Row[]>, log: string): Promise<LakeFile[]> {
    const made = new Set<string>();
    const { files, removed } = this.#manifest;
    const isTaken = (name: string) => files.has(name) || removed.has(name) || made.has(name);
    const added: LakeFile[] = [];
    let writes: Promise<void>[] = [];
    try {
      for (const [folder, rows] of partitions) {
        const part = makePart(folder, rows, log, isTaken);
        made.add(part.file.name);
        added.push(part.file);
        writes.push(this.#writePart(folder, part));
        if (writes.length < WRITES_MAX) continue;
        await Promise.all(writes);
        writes = [];
      }
    } finally {
      // None goes on in the background.
      await Promise.allSettled(writes);
    }
    await Promise.all(writes);
    await this.#disk.syncFolders(added.map(({ name }) => folderOf(name)));
    return added;
  }

  /** Makes a commit count, and then the names what it says: a reader in between misses rows, and sees none doubled. */
  async commit(commit: LakeCommit): Promise<void> {
    await this.#disk.append(MANIFEST, this.#manifest.bytes, this.#manifest.lineOf(commit));
    this.#manifest.committed(commit);
    for (const name of commit.remove) await this.#disk.remove(name);
    for (const { name } of commit.add) await this.#disk.rename(name + UNFINISHED, name);
    await this.#disk.syncFolders([...commit.remove, ...commit.add.map(({ name }) => name)].map(folderOf));
    if (commit.datings !== undefined) await this.#writeBoots();
  }

  /** Says of files that they are gone, and of their offsets that rows are missing, unless they are not wanted again. */
  async lose(lost: readonly LakeFile[], isWanted: (file: LakeFile) => boolean): Promise<void> {
    if (lost.length === 0) return;
    const { holes, place } = this.#manifest;
    const fresh = lost.filter(isWanted).map(({ first, last }): OffsetRange => [first, last + 1]);
    const names = lost.map(({ name }) => name);
    this.#log.warn("lake-files-made-again", { files: names.length, first: names[0]!, ranges: fresh.length });
    await this.commit({
      add: [],
      remove: names,
      place: place === undefined ? null : placeOf(place),
      holes: united([...holes, ...fresh]),
    });
  }

  rows(file: LakeFile): Promise<Row[]> {
    return this.#bytes(file).then(rowsIn);
  }

  /** `offset:part` of each row. */
  keys(file: LakeFile): Promise<string[]> {
    return this.#bytes(file).then(keysIn);
  }

  /** The bytes that were written. Throws LostFile. */
  async #bytes(file: LakeFile): Promise<Uint8Array> {
    let bytes;
    try {
      bytes = await readFile(this.#disk.path(file.name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new LostFile(file, "is gone");
      throw error;
    }
    if (hashOf(bytes) === file.sha256) return bytes;
    throw new LostFile(file, "has other bytes than were written");
  }

  async #writePart(folder: string, { file, bytes }: MadeFile): Promise<void> {
    await this.#disk.makeFolder(folder);
    await this.#disk.writeFile(file.name + UNFINISHED, bytes);
  }

  async #readJournal(): Promise<void> {
    const journal = await readFile(this.#disk.path(MANIFEST)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return Buffer.alloc(0);
      throw error;
    });
    this.#manifest = Manifest.read(journal);
    // A last line without an end is what a crash leaves; more is damage.
    const rest = journal.subarray(this.#manifest.bytes);
    if (!rest.includes(10)) return;
    const kept = `${MANIFEST}.damaged-${this.#manifest.bytes}`;
    await this.#disk.writeFile(kept, journal);
    await this.#disk.append(MANIFEST, this.#manifest.bytes, "");
    this.#log.error("lake-manifest-damaged", { kept, bytes: rest.length, goesOnWith: "the commits before it" });
  }

  async #setAside(name: string, why: string, folders: Set<string>): Promise<void> {
    let kept = name + SET_ASIDE;
    for (let number = 2; (await this.#disk.length(kept)) !== undefined; number++)
      kept = `${name}${SET_ASIDE}-${number}`;
    await this.#disk.rename(name, kept);
    folders.add(folderOf(name));
    this.#log.error("set-aside", { path: name, kept, message: why, goesOnWith: "rows made again from the log" });
  }

  async #writeBoots(): Promise<void> {
    const text = this.#manifest.datings.map(bootLine).join("");
    const path = this.#disk.path(BOOTS);
    const known = await readFile(path, "utf8").catch(() => "");
    if (known !== text) await replaceFile(path, text, 0o640);
  }

  async #shorten(): Promise<void> {
    if (this.#manifest.bytes < JOURNAL_BYTES) return;
    const text = this.#manifest.snapshot();
    if (Buffer.byteLength(text) > this.#manifest.bytes / 2) return;
    await replaceFile(this.#disk.path(MANIFEST), text, 0o640);
    this.#manifest = Manifest.read(Buffer.from(text, "utf8"));
  }
}

function bootLine({ gateway, boot, zeroUs }: Dating): string {
  return `${JSON.stringify({ gateway, boot, zero_us: zeroUs })}\n`;
}

function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/"));
}
