import type { LogPlace } from "../log/log-place.ts";
import type { DeadLetter, Dating, Row } from "./row.ts";

/** Records of the log that hold no rows because they are gone or cannot be read: whose loss, the log itself says. */
export interface MissingRecords {
  readonly offset: number;
  readonly count: number;
  readonly why: string;
}

/** What a sink keeps at once, with the place behind it: all or nothing. */
export interface RowChunk {
  /** The log offset at which it begins; it covers every offset up to `place.offset`. */
  readonly from: number;
  /** In the order of the log. */
  readonly rows: readonly Row[];
  readonly deadLetters: readonly DeadLetter[];
  readonly missing: readonly MissingRecords[];
  /** Learned in this chunk. Rows kept before with `timeBy` `collector` of such a boot can be dated by them. */
  readonly datings: readonly Dating[];
  /** Where the sink stands once the chunk is kept. */
  readonly place: LogPlace;
  /** Name of the site of each gateway that has rows here: its configured site, else its label, else its id. */
  readonly sites: ReadonlyMap<string, string>;
}

/** What a sink knows when it is opened. */
export interface SinkState {
  /** Undefined: it is empty, and begins at the start of the log. */
  readonly place: LogPlace | undefined;
  /** The datings of all chunks that it kept, so that rows of these boots that arrive late are dated at once. */
  readonly datings: readonly Dating[];
}

/**
 * Where rows go. It keeps its place in the log with its rows, in one act, so that no crash doubles or skips one: the
 * runner asks for the place and goes on there. One method runs at a time. What can pass by itself (a full disk, a
 * server that is away) is thrown as PaddockError; the runner waits longer each time and gives the same chunk again,
 * which the sink must take as if it had never seen it.
 */
export interface Sink {
  /** Makes it ready after a start or a failure, and repairs what a crash left. */
  open(): Promise<SinkState>;
  /**
   * Why this sink cannot keep a row that others can, or undefined when it can; absent when it takes all. What it refuses
   * is a dead letter and in no chunk.
   */
  whyNot?(row: Row): string | undefined;
  /** Keeps a chunk and its place. When this resolves both are durable. */
  write(chunk: RowChunk): Promise<void>;
  /**
   * Forgets all rows from log offset `offset` on, and stands at `place`; or, where what it keeps can only go whole, at an
   * earlier one. Gives the place where it stands.
   */
  rewind(offset: number, place: LogPlace): Promise<LogPlace>;
  /**
   * Forgets all, because its place is none of this log any more: what it had can be made again. Absent where a sink may hold the
   * only rows of a log that is gone: it stops, and an operator says where it goes on.
   */
  forget?(): void;
  /** What an operator wants to know of it, in its own words: bytes, files, the server's version. */
  report(): Readonly<Record<string, string | number | null>>;
  close(): Promise<void>;
}
