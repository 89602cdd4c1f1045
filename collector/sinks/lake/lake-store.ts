import { PaddockError } from "@paddock/base/errors.ts";
import { diskTrouble } from "../disk-trouble.ts";
import type { LakeDisk } from "./lake-disk.ts";
import {
  applyCommit,
  EMPTY_LAKE,
  encodeCommit,
  type LakeCommit,
  type LakeFile,
  type LakeState,
  readManifest,
} from "./manifest.ts";

export const MANIFEST = "_manifest.jsonl";
export const BOOTS = "boots.ndjson";
/** DuckDB's `*.parquet` finds names that begin with a dot or an underscore, but none that ends like this. */
export const FRESH = ".new";
const STRAY = ".stray";
/** Lines after which the journal is written anew, as one line that says all. */
const LINES_MAX = 4096;

/** What was found and mended at a start. */
export interface LakeRepairs {
  /** Files that a commit names and the disk has no more, or of another size. */
  readonly lost: readonly LakeFile[];
  /** Files that no commit names, and which were renamed so that nobody reads them. */
  readonly strays: readonly string[];
}

/**
 * Files and journal of a lake, changed by commits: new files are written under names that no reader finds, the journal's
 * line is the commit, then they get their names and old files go. Between the last two a reader misses rows for a moment,
 * and never sees one twice. Whatever the power leaves, `open` ends it.
 */
export class LakeStore {
  readonly #disk: LakeDisk;
  #state: LakeState = EMPTY_LAKE;

  constructor(disk: LakeDisk) {
    this.#disk = disk;
  }

  get state(): LakeState {
    return this.#state;
  }

  /** Throws SINK_REFUSED for a damaged journal, SINK_UNAVAILABLE for a disk that cannot be used. */
  async open(): Promise<LakeRepairs> {
    return guarded(async () => {
      const bytes = (await this.#disk.read(MANIFEST)) ?? Buffer.alloc(0);
      const read = readManifest(bytes);
      if (!read.ok) throw damaged(read.detail);
      if (read.value.goodBytes < bytes.length) await this.#disk.truncate(MANIFEST, read.value.goodBytes);
      this.#state = read.value.state;
      return this.#repair();
    });
  }

  /** Commits; the new files have been written by `stage`. Once this resolves all of it is durable. */
  async commit(commit: LakeCommit): Promise<void> {
    await guarded(async () => {
      const next = applyCommit(this.#state, commit);
      await this.#disk.syncFolders(commit.add.map(({ path }) => path));
      const before = (await this.#disk.size(MANIFEST)) ?? 0;
      try {
        await this.#disk.append(MANIFEST, Buffer.from(encodeCommit(commit)));
      } catch (error) {
        // Half a line before the next one would be damage.
        await this.#disk.truncate(MANIFEST, before).catch(() => {});
        throw error;
      }
      if (before === 0) await this.#disk.syncFolders([]);
      this.#state = next;
      for (const path of commit.remove) await this.#disk.remove(path);
      for (const { path } of commit.add) await this.#disk.rename(path + FRESH, path);
      await this.#disk.syncFolders([...commit.add.map(({ path }) => path), ...commit.remove]);
      if (commit.datings !== undefined && commit.datings.length > 0) await this.#writeBoots();
      if (next.lines > LINES_MAX) await this.#rewrite();
    });
  }

  /** Writes a file that the next commit adds. */
  async stage(path: string, bytes: Uint8Array): Promise<void> {
    await guarded(() => this.#disk.write(path + FRESH, bytes));
  }

  /** Removes files that were staged for a commit which is not made. */
  async unstage(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#disk.remove(path + FRESH).catch(() => {});
  }

  async #repair(): Promise<LakeRepairs> {
    const { files } = this.#state;
    const lost: LakeFile[] = [];
    for (const file of files.values()) {
      if ((await this.#disk.size(file.path + FRESH)) === file.bytes) {
        await this.#disk.rename(file.path + FRESH, file.path);
      } else if ((await this.#disk.size(file.path)) !== file.bytes) lost.push(file);
    }
    for (const path of this.#state.justRemoved) if (!files.has(path)) await this.#disk.remove(path);
    const strays: string[] = [];
    for (const path of await this.#disk.list()) {
      if (path.endsWith(`.parquet${FRESH}`) || path === MANIFEST + FRESH) await this.#disk.remove(path);
      else if (path.endsWith(".parquet") && !files.has(path)) {
        await this.#disk.rename(path, path + STRAY);
        strays.push(path);
      }
    }
    // What lies under the name of a file that is not it is no file of the lake.
    for (const { path } of lost) {
      if ((await this.#disk.size(path)) === undefined) continue;
      await this.#disk.rename(path, path + STRAY);
      strays.push(path);
    }
    await this.#disk.syncFolders([...files.keys(), ...strays]);
    await this.#writeBoots();
    return { lost, strays };
  }

  async #writeBoots(): Promise<void> {
    const { datings } = this.#state;
    if (datings.length === 0 && (await this.#disk.size(BOOTS)) === undefined) return;
    const lines = datings.map(({ gateway, boot, zeroUs }) => JSON.stringify({ gateway, boot, zero_us: zeroUs }));
    await this.#disk.write(BOOTS + FRESH, Buffer.from(lines.map((line) => `${line}\n`).join("")));
    await this.#disk.rename(BOOTS + FRESH, BOOTS);
  }

  /** The same state as one line. */
  async #rewrite(): Promise<void> {
    const { files, place, datings, missing } = this.#state;
    const commit: LakeCommit = { add: [...files.values()], remove: [], place, datings, missing, whole: true };
    await this.#disk.write(MANIFEST + FRESH, Buffer.from(encodeCommit(commit)));
    await this.#disk.rename(MANIFEST + FRESH, MANIFEST);
    await this.#disk.syncFolders([]);
    this.#state = { ...this.#state, lines: 1 };
  }
}

function damaged(detail: string): PaddockError {
  return new PaddockError("SINK_REFUSED", `The lake's journal ${MANIFEST} is damaged: ${detail}.`, {
    remedy: "Move the lake's directory away: it is made again from the ledger.",
  });
}

/** What a disk refuses may pass: it has room again, or is mounted again. */
export async function guarded<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PaddockError || error instanceof RangeError) throw error;
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw diskTrouble("The lake cannot be written or read", error);
  }
}
