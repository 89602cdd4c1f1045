import { mkdir } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { LogPlace } from "../../log/log-place.ts";
import type { LakeConfig } from "../config.ts";
import type { SinkContext } from "../kinds.ts";
import type { Row } from "../row.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { LakeDisk } from "./lake-disk.ts";
import { LakeStore, LostFile } from "./lake-store.ts";
import { lockLake } from "./lock.ts";
import { placeOf, without, type LakeFile, type Manifest } from "./manifest.ts";
import { dateOf, dayOf, OTHER, Partitioner } from "./partition.ts";

const DAY_MS = 86_400_000;

/** Rows as a lake: Parquet files in folders of site, date and measurement, which DuckDB and others read. */
export class LakeSink implements Sink {
  readonly #config: LakeConfig;
  readonly #context: SinkContext;
  readonly #disk: LakeDisk;
  readonly #store: LakeStore;
  #partitioner = new Partitioner([]);
  #unlock: (() => Promise<void>) | undefined;
  #expiredRows = 0;

  constructor(config: LakeConfig, context: SinkContext, disk = new LakeDisk(config.directory)) {
    this.#config = config;
    this.#context = context;
    this.#disk = disk;
    this.#store = new LakeStore(disk, context.log);
  }

  /** Where a file is lost, the lowest of its offsets is the place: what other files hold is left out when it comes again. */
  async open(): Promise<SinkState> {
    return this.#explained(async () => {
      await makeOwn(this.#disk.root);
      this.#unlock ??= await lockLake(this.#disk.root);
      const lost = await this.#store.open();
      this.#refuseOther();
      await this.#store.lose(lost, (file) => !this.#isExpired(file));
      await this.#expire();
      this.#partitioner = new Partitioner(this.#manifest.files.keys());
      const { place, holes, datings } = this.#manifest;
      const hole = holes[0]?.[0];
      if (place === undefined || hole === undefined || hole >= place.offset) return { place, datings };
      const { updated, log } = place;
      return { place: { offset: hole, updated, ...(log === undefined ? {} : { log }) }, datings };
    });
  }

  async write(chunk: RowChunk): Promise<void> {
    await this.#explained(async () => {
      const { holes, place } = this.#manifest;
      await this.#expire();
      const rows = await this.#wanted(chunk);
      const siteOf = (gateway: string) => chunk.sites.get(gateway) ?? gateway;
      const add = await this.#store.prepare(this.#partitioner.sort(rows, siteOf), chunk.place.log ?? "");
      const datings = chunk.datings.filter((dating) => this.#manifest.isNews(dating));
      const isBehind = place !== undefined && place.offset > chunk.place.offset;
      await this.#store.commit({
        sink: this.#context.name,
        add,
        remove: [],
        place: placeOf(isBehind ? place : chunk.place),
        ...(holes.length === 0 ? {} : { holes: without(holes, chunk.from, chunk.place.offset) }),
        ...(datings.length === 0 ? {} : { datings }),
        ...(chunk.missing.length === 0 ? {} : { missing: [...chunk.missing] }),
      });
    });
  }

  /** Files that span the offset are written anew without what is to be forgotten. */
  async rewind(offset: number, place: LogPlace): Promise<void> {
    await this.#explained(async () => {
      const touched = [...this.#manifest.files.values()].filter(({ last }) => last >= offset);
      const kept = new Map<string, readonly Row[]>();
      const lost: LakeFile[] = [];
      const add: LakeFile[] = [];
      for (const file of touched.filter(({ first }) => first < offset)) {
        try {
          const rows = await this.#store.rows(file);
          kept.set(folderOf(file.name), [
            ...(kept.get(folderOf(file.name)) ?? []),
            ...rows.filter((row) => row.offset < offset),
          ]);
        } catch (error) {
          if (!(error instanceof LostFile)) throw error;
          lost.push(file);
        }
      }
      await this.#store.lose(lost, (file) => !this.#isExpired(file));
      add.push(...(await this.#store.prepare(kept, this.#manifest.place?.log ?? "")));
      const remove = touched.filter((file) => !lost.includes(file)).map(({ name }) => name);
      const holes = without(this.#manifest.holes, offset, Number.POSITIVE_INFINITY);
      await this.#store.commit({ sink: this.#context.name, add, remove, place: placeOf(place), holes });
      this.#partitioner = new Partitioner(this.#manifest.files.keys());
    });
  }

  report(): Readonly<Record<string, string | number | null>> {
    const { files, holes, missing } = this.#manifest;
    let bytes = 0;
    let rows = 0;
    let crowded = 0;
    for (const file of files.values()) {
      bytes += file.bytes;
      rows += file.rows;
      if (file.name.includes(`/measurement=${OTHER}/`)) crowded += file.rows;
    }
    return {
      directory: this.#config.directory,
      files: files.size,
      bytes,
      rows,
      rowsBeyondMeasurements: crowded,
      rowsBeyondRetention: this.#expiredRows,
      madeAgainFrom: holes[0]?.[0] ?? null,
      missingRecords: missing,
    };
  }

  async close(): Promise<void> {
    await this.#unlock?.();
    this.#unlock = undefined;
  }

  get #manifest(): Manifest {
    return this.#store.manifest;
  }

  /** Without rows that are kept already, and those beyond the retention. */
  async #wanted({ from, rows, place }: RowChunk): Promise<readonly Row[]> {
    const first = this.#firstDay();
    const inTime = first === undefined ? rows : rows.filter((row) => dayOf(row) >= first);
    this.#expiredRows += rows.length - inTime.length;
    const end = this.#manifest.place?.offset ?? 0;
    if (from >= end) return inTime;
    const { holes, files } = this.#manifest;
    const open = holes.filter(([low, high]) => low < place.offset && high > from);
    const held = new Set<string>();
    for (const file of files.values()) {
      if (!open.some(([low, high]) => file.first < Math.min(high, place.offset) && file.last >= Math.max(low, from)))
        continue;
      for (const key of await this.#keysOf(file)) held.add(key);
    }
    const isOpen = (offset: number) => open.some(([low, high]) => low <= offset && offset < high);
    return inTime.filter(({ offset, part }) => offset >= end || (isOpen(offset) && !held.has(`${offset}:${part}`)));
  }

  async #keysOf(file: LakeFile): Promise<string[]> {
    try {
      return await this.#store.keys(file);
    } catch (error) {
      if (!(error instanceof LostFile)) throw error;
      await this.#store.lose([file], (lost) => !this.#isExpired(lost));
      throw new PaddockError("SINK_UNAVAILABLE", `${error.message}; it is made again.`, { cause: error });
    }
  }

  /** Removes the days beyond the retention, whole. */
  async #expire(): Promise<void> {
    const expired = [...this.#manifest.files.values()].filter((file) => this.#isExpired(file));
    if (expired.length === 0) return;
    const { place } = this.#manifest;
    const remove = expired.map(({ name }) => name);
    await this.#store.commit({ add: [], remove, place: place === undefined ? null : placeOf(place) });
    this.#context.log.info("lake-days-expired", { sink: this.#context.name, files: remove.length });
  }

  #isExpired({ name }: LakeFile): boolean {
    const first = this.#firstDay();
    return first !== undefined && name.split("/")[1]! < `date=${dateOf(first)}`;
  }

  /** The first day that is kept, or undefined when all are. */
  #firstDay(): number | undefined {
    const { retentionDays } = this.#config;
    return retentionDays === null ? undefined : Math.floor(this.#context.clock.wallMs() / DAY_MS) - retentionDays;
  }

  #refuseOther(): void {
    const { sink } = this.#manifest;
    if (sink === undefined || sink === this.#context.name) return;
    const message = `${this.#disk.root} is the lake of the sink ${sink}.`;
    throw new PaddockError("SINK_REFUSED", message, { remedy: `Give ${this.#context.name} a directory of its own.` });
  }

  /** What the file system refuses can pass by itself: a full disk, a mount that is away. */
  async #explained<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      throw new PaddockError("SINK_UNAVAILABLE", `${this.#disk.root}: ${messageOf(error)}.`, { cause: error });
    }
  }
}

/** Its parents are not made: where a disk is to be mounted, nothing is made on another one. */
async function makeOwn(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o750 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/"));
}
