import { mkdir } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { VERSION } from "@paddock/base/version.ts";
import type { LogPlace } from "../../log/log-place.ts";
import type { Row } from "../row.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { compactLake } from "./compact.ts";
import { DirectoryDisk, type LakeDisk, sha256Of } from "./lake-disk.ts";
import { LakeLock } from "./lake-lock.ts";
import { LakeStore } from "./lake-store.ts";
import type { LakeFile } from "./manifest.ts";
import { encodeRows } from "./parquet.ts";
import { isWild, OTHER, partitionRows } from "./partitions.ts";
import { expiredFiles } from "./retention.ts";

export interface LakeOptions {
  readonly directory: string;
  /** Days that a partition is kept after its date; undefined: for ever. */
  readonly retentionDays?: number | undefined;
  /** Unix ms. */
  readonly wallMs: () => number;
  /** Files that were gone or of another length at a start. */
  readonly onLost?: (paths: readonly string[]) => void;
  /** In place of the directory, for tests. */
  readonly disk?: LakeDisk;
}

const HOUR_MS = 3_600_000;

/** Rows as Parquet files in Hive's layout, which DuckDB and all that reads Parquet find. */
export class LakeSink implements Sink {
  readonly #options: LakeOptions;
  readonly #disk: LakeDisk;
  #store: LakeStore;
  #lock: LakeLock | undefined;
  #keptAtMs = 0;
  #strays = 0;
  #lost = 0;
  /** Since the process began. */
  #wildRows = 0;

  constructor(options: LakeOptions) {
    this.#options = options;
    this.#disk = options.disk ?? new DirectoryDisk(options.directory);
    this.#store = new LakeStore(this.#disk);
  }

  async open(): Promise<SinkState> {
    await this.close();
    await makeLake(this.#options.directory);
    this.#lock = await LakeLock.take(this.#options.directory);
    this.#store = new LakeStore(this.#disk);
    const { lost, strays } = await this.#store.open();
    this.#strays += strays.length;
    this.#lost += lost.length;
    if (lost.length > 0) {
      this.#options.onLost?.(lost.map(({ path }) => path));
      await this.#goBack(Math.min(...lost.map(({ first }) => first)), new Set(lost));
    }
    const { place, datings } = this.#store.state;
    return { place, datings };
  }

  async write(chunk: RowChunk): Promise<void> {
    const { place, datings } = this.#store.state;
    const at = place?.offset ?? 0;
    if (at === chunk.place.offset && at > chunk.from) return;
    if (at !== chunk.from) {
      const message = `The lake stands at offset ${at}, and the chunk begins at ${chunk.from}.`;
      throw new PaddockError("SINK_UNAVAILABLE", message, { remedy: "It is opened anew and goes on where it stands." });
    }
    const known = new Set(datings.map(({ gateway, boot }) => `${gateway} ${boot}`));
    const add: LakeFile[] = [];
    try {
      for (const [folder, rows] of partitionRows(chunk.rows, chunk.sites, this.#measurements())) {
        add.push(await this.#stage(folder, rows, chunk));
      }
      await this.#lock?.check();
      await this.#store.commit({
        add,
        remove: [],
        place: chunk.place,
        datings: chunk.datings.filter(({ gateway, boot }) => !known.has(`${gateway} ${boot}`)),
        missing: chunk.missing,
      });
    } catch (error) {
      // Of a commit that was made these are no new files any more.
      const { files } = this.#store.state;
      await this.#store.unstage(add.map(({ path }) => path).filter((path) => !files.has(path)));
      throw error;
    }
    for (const row of chunk.rows) if (isWild(row)) this.#wildRows++;
    await this.#tidy();
  }

  rewind(offset: number, place: LogPlace): Promise<LogPlace> {
    return this.#goBack(offset, new Set(), place);
  }

  report(): Readonly<Record<string, string | number>> {
    const { files, missing } = this.#store.state;
    let bytes = 0;
    let rows = 0;
    let others = 0;
    for (const file of files.values()) {
      bytes += file.bytes;
      rows += file.rows;
      if (file.path.includes(`/measurement=${OTHER}/`)) others += file.rows;
    }
    return {
      directory: this.#options.directory,
      files: files.size,
      bytes,
      rows,
      rowsOfTooManyMeasurements: others,
      rowsOfWildClocks: this.#wildRows,
      missingRecords: missing.reduce((sum, { count }) => sum + count, 0),
      lostFiles: this.#lost,
      strayFiles: this.#strays,
    };
  }

  async close(): Promise<void> {
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #stage(folder: string, rows: readonly Row[], { from, place }: RowChunk): Promise<LakeFile> {
    const last = place.offset - 1;
    const path = `${folder}/part-${from}-${last}.parquet`;
    const bytes = encodeRows(rows, { log: place.log ?? "", version: VERSION });
    await this.#store.stage(path, bytes);
    return { path, bytes: bytes.length, hash: sha256Of(bytes), rows: rows.length, first: from, last };
  }

  /** The measurements that each site and day has. */
  #measurements(): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>();
    for (const path of this.#store.state.files.keys()) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      const day = folder.slice(0, folder.lastIndexOf("/"));
      const known = found.get(day);
      if (known === undefined) found.set(day, new Set([folder]));
      else known.add(folder);
    }
    return found;
  }

  /**
   * Forgets every row from `offset` on. A file that also holds rows before it goes whole, and the lake stands at the
   * first of its offsets: what is read again is the same.
   */
  async #goBack(offset: number, lost: ReadonlySet<LakeFile>, place?: LogPlace): Promise<LogPlace> {
    const { files, place: before } = this.#store.state;
    let to = offset;
    // Files that were made of several chunks overlap: each that goes may take others with it.
    for (let changed = true; changed;) {
      changed = false;
      for (const { first, last } of files.values()) {
        if (last < to || first >= to) continue;
        to = first;
        changed = true;
      }
    }
    const gone = [...files.values()].filter((file) => file.first >= to || lost.has(file));
    const wanted = to === offset ? place : undefined;
    const log = place?.log ?? before?.log;
    const standsAt = wanted ?? { offset: to, updated: this.#options.wallMs(), ...(log === undefined ? {} : { log }) };
    await this.#store.commit({ add: [], remove: gone.map(({ path }) => path), place: standsAt });
    return standsAt;
  }

  /** Once an hour: partitions that are too old go, and small files of days that are over become large ones. */
  async #tidy(): Promise<void> {
    const nowMs = this.#options.wallMs();
    if (nowMs < this.#keptAtMs + HOUR_MS) return;
    this.#keptAtMs = nowMs;
    const expired = expiredFiles(this.#store.state.files.values(), this.#options.retentionDays, nowMs);
    if (expired.length > 0) await this.#store.commit({ add: [], remove: expired.map(({ path }) => path) });
    await compactLake(this.#store, this.#disk, { nowMs, version: VERSION });
  }
}

async function makeLake(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o750 });
  } catch (error) {
    // What holds it has to be there: a disk that is not mounted must not be made on another one.
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw new PaddockError("SINK_UNAVAILABLE", `The lake's directory cannot be made: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}
