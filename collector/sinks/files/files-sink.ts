import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import type { LogPlace } from "../../log/log-place.ts";
import { setAside } from "../../set-aside.ts";
import type { FilesConfig } from "../config.ts";
import type { SinkContext } from "../kinds.ts";
import type { Row } from "../row.ts";
import { diskTrouble } from "../disk-trouble.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { DatingFile } from "./dating-file.ts";
import { cutTo, linesOf, writeFrom } from "./disk.ts";
import { LINES, type Lines } from "./lines.ts";
import { readPlace, writePlace, type FilesPlace } from "./place-file.ts";

/** Its name says at which log offset it begins. */
interface RowFile {
  readonly name: string;
  readonly first: number;
}

const ROW_FILE = /^rows-(\d{16})\.(?:ndjson|lp)$/u;

/**
 * Rows as lines of text files. `place.json` says where in the log it stands and how many bytes of the newest file are
 * rows; it is written behind them, so that what a crash left half done is cut off at the next start.
 */
export class FilesSink implements Sink {
  readonly #config: FilesConfig;
  readonly #context: SinkContext;
  readonly #lines: Lines;
  #datings: DatingFile;
  #state: FilesPlace;
  #files: RowFile[] = [];

  constructor(config: FilesConfig, context: SinkContext) {
    this.#config = config;
    this.#context = context;
    this.#lines = LINES[config.format];
    this.#datings = new DatingFile(config.directory);
    this.#state = this.#empty();
  }

  whyNot(row: Row): string | undefined {
    return this.#lines.whyNot(row);
  }

  async open(): Promise<SinkState> {
    return this.#explained(async () => {
      await makeOwn(this.#config.directory);
      const known = await this.#readPlace();
      this.#files = await this.#rowFiles();
      if (known === undefined && this.#files.length === 0) {
        this.#state = this.#empty();
        return { place: undefined, datings: [] };
      }
      this.#state = await this.#repaired(known);
      await this.#removeFrom(this.#state.place.offset);
      return { place: placeOf(this.#state.place), datings: await this.#openDatings() };
    });
  }

  async write(chunk: RowChunk): Promise<void> {
    await this.#explained(async () => {
      const file = chunk.rows.length === 0 ? this.#state.file : await this.#append(chunk);
      const before = this.#state.datings;
      const datings = await this.#datings.add(chunk.datings, before);
      await this.#keep({ ...this.#state, place: placeOf(chunk.place), file, datings });
      if (before !== null && before.name !== datings?.name) await this.#datings.remove(before);
      await this.#removeOldest();
    });
  }

  /** First the place, then the cut: what a crash leaves of it, `open` ends. */
  async rewind(offset: number, place: LogPlace): Promise<LogPlace> {
    await this.#explained(async () => {
      this.#files = await this.#rowFiles();
      const last = this.#files.findLast(({ first }) => first < offset);
      const file =
        last === undefined
          ? null
          : { name: last.name, bytes: await this.#bytesBefore(last, offset), sinceMs: this.#context.clock.wallMs() };
      await this.#keep({ ...this.#state, place: placeOf(place), file });
      if (file !== null) await cutTo(this.#path(file.name), file.bytes);
      await this.#removeFrom(offset);
    });
    return place;
  }

  report(): Readonly<Record<string, string | number | null>> {
    const { directory, format } = this.#config;
    const { file } = this.#state;
    return { directory, format, files: this.#files.length, file: file?.name ?? null, bytes: file?.bytes ?? 0 };
  }

  async close(): Promise<void> {}

  #empty(): FilesPlace {
    return { version: 1, sink: this.#context.name, place: { offset: 0, updated: 0 }, file: null, datings: null };
  }

  async #keep(next: FilesPlace): Promise<void> {
    await writePlace(this.#path("place.json"), next);
    this.#state = next;
  }

  async #readPlace(): Promise<FilesPlace | undefined> {
    const path = this.#path("place.json");
    let known;
    try {
      known = await readPlace(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall !== undefined) throw error;
      await setAside(this.#context.log, path, error, "the newest file of rows, which is made again from the log");
      return undefined;
    }
    if (known === undefined || known.sink === this.#context.name) return known;
    const message = `${this.#config.directory} holds the rows of the sink ${known.sink}.`;
    throw new PaddockError("SINK_REFUSED", message, { remedy: `Give ${this.#context.name} a directory of its own.` });
  }

  /**
   * The place, if the bytes that it names are there. Else the newest file is made again from the log: it begins behind the
   * files before it, which were whole when it was begun.
   */
  async #repaired(known: FilesPlace | undefined): Promise<FilesPlace> {
    if (known?.file === null) return known;
    if (known !== undefined && (await cutTo(this.#path(known.file.name), known.file.bytes))) return known;
    const lost = known?.file ?? null;
    const first = lost === null ? this.#files.at(-1)!.first : Number(ROW_FILE.exec(lost.name)![1]);
    const { log } = this.#context;
    log.warn("sink-file-made-again", { sink: this.#context.name, file: lost?.name ?? null, from: first });
    const { log: logName, updated } = known?.place ?? { updated: 0 };
    const place = { offset: first, updated, ...(logName === undefined ? {} : { log: logName }) };
    const next = { ...(known ?? this.#empty()), place, file: null };
    await this.#keep(next);
    return next;
  }

  async #openDatings() {
    const { datings } = this.#state;
    this.#datings = new DatingFile(this.#config.directory);
    if (datings === null) return [];
    try {
      await this.#datings.open(datings);
      return this.#datings.all;
    } catch (error) {
      const path = this.#path(datings.name);
      await setAside(this.#context.log, path, error, "no dated boots: rows of earlier ones have their arrival as time");
      this.#datings = new DatingFile(this.#config.directory);
      await this.#keep({ ...this.#state, datings: null });
      return [];
    }
  }

  /** Adds the rows to the newest file, or to the next one when it is full, old, or of another format. */
  async #append({ from, rows, sites }: RowChunk): Promise<NonNullable<FilesPlace["file"]>> {
    const nowMs = this.#context.clock.wallMs();
    const { rotateBytes, rotateAgeMs } = this.#config;
    const { file } = this.#state;
    const goesOn =
      file !== null &&
      file.bytes < rotateBytes &&
      nowMs - file.sinceMs < rotateAgeMs &&
      file.name.endsWith(this.#lines.ending);
    const into = goesOn ? file : { name: this.#nameFor(from), bytes: 0, sinceMs: nowMs };
    const lines = this.#lines;
    const texts = rows.values().map((row) => lines.line(row, sites.get(row.gateway) ?? row.gateway));
    const bytes = await writeFrom(this.#path(into.name), into.bytes, texts);
    if (!this.#files.some(({ name }) => name === into.name)) this.#files.push({ name: into.name, first: from });
    return { ...into, bytes };
  }

  #nameFor(first: number): string {
    return `rows-${String(first).padStart(16, "0")}${this.#lines.ending}`;
  }

  async #rowFiles(): Promise<RowFile[]> {
    const found: RowFile[] = [];
    for (const name of await readdir(this.#config.directory)) {
      const first = ROW_FILE.exec(name)?.[1];
      if (first !== undefined) found.push({ name, first: Number(first) });
    }
    return found.toSorted((left, right) => left.first - right.first || (left.name < right.name ? -1 : 1));
  }

  /** Removes files that begin at an offset or behind it: they were begun and never confirmed, or are to be forgotten. */
  async #removeFrom(offset: number): Promise<void> {
    const current = this.#state.file?.name;
    const isGone = ({ name, first }: RowFile): boolean => first >= offset && name !== current;
    for (const { name } of this.#files.filter(isGone)) await rm(this.#path(name), { force: true });
    this.#files = this.#files.filter((file) => !isGone(file));
  }

  async #removeOldest(): Promise<void> {
    const surplus = this.#files.length - (this.#config.keepFiles ?? this.#files.length);
    for (const { name } of this.#files.slice(0, Math.max(0, surplus))) {
      await rm(this.#path(name), { force: true });
      this.#files.shift();
    }
  }

  /** How many bytes of a file are rows before a log offset. */
  async #bytesBefore({ name }: RowFile, offset: number): Promise<number> {
    const lines = name.endsWith(LINES.ndjson.ending) ? LINES.ndjson : LINES.influx;
    const limit = this.#state.file?.name === name ? this.#state.file.bytes : Number.POSITIVE_INFINITY;
    let bytes = 0;
    for await (const line of linesOf(this.#path(name))) {
      const end = bytes + line.length + 1;
      if (end > limit || (lines.offsetOf(line.toString("utf8")) ?? 0) >= offset) break;
      bytes = end;
    }
    return bytes;
  }

  #path(name: string): string {
    return join(this.#config.directory, name);
  }

  /** What the file system refuses can pass by itself: a full disk, a mount that is away. */
  async #explained<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      throw diskTrouble(this.#config.directory, error);
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

/** Without what is undefined. */
function placeOf({ offset, updated, log, behind }: FilesPlace["place"] | LogPlace): LogPlace {
  return {
    offset,
    updated,
    ...(log === undefined ? {} : { log }),
    ...(behind === undefined ? {} : { behind }),
  };
}
