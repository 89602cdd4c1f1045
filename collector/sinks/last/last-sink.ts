import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { LogPlace } from "../../log/log-place.ts";
import { setAside } from "../../set-aside.ts";
import { DatingBook } from "../dating.ts";
import type { Row } from "../row.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { isTooLong, type LastValues } from "./last-values.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";

/** A snapshot is written at most so often, and takes at most this share of the time. */
const SNAPSHOT_MS = 60_000;
const SNAPSHOT_SHARE = 0.05;

export interface LastSinkOptions {
  readonly values: LastValues;
  /** The file of the snapshot. */
  readonly path: string;
  /** Records of the log that a start reads again at most. */
  readonly lookBackRecords: number;
  /** Asks the collector for the offset behind the newest record of the log. */
  readonly logEnd: () => Promise<number>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Feeds the newest readings in memory. What it keeps of its place is a snapshot now and then: a start reads that, and the
 * log from there. Without one, or with one that is too far behind, it begins as far back in the log as it may.
 */
export class LastSink implements Sink {
  readonly #options: LastSinkOptions;
  #place: LogPlace | undefined;
  #book = new DatingBook();
  #isLoaded = false;
  /** Of the place that the snapshot holds. */
  #keptOffset: number | undefined;
  #dueMs: number;
  #toldProblem: string | undefined;

  constructor(options: LastSinkOptions) {
    this.#options = options;
    this.#dueMs = this.#nowMs() + SNAPSHOT_MS;
  }

  async open(): Promise<SinkState> {
    if (!this.#isLoaded) await this.#load();
    const { lookBackRecords, logEnd, clock, log } = this.#options;
    const least = Math.max(0, (await logEnd()) - lookBackRecords);
    if ((this.#place?.offset ?? 0) < least) {
      this.#begin(least, { offset: least, updated: clock.wallMs() });
      log.info("last-values-begin", { offset: least, lookBackRecords });
    }
    return { place: this.#place, datings: this.#book.all };
  }

  whyNot(row: Row): string | undefined {
    return isTooLong(row) ? "with its source the name is too long for the last values in memory" : undefined;
  }

  async write({ from, rows, datings, place }: RowChunk): Promise<void> {
    this.#options.values.take(from, rows);
    for (const dating of datings) this.#book.learn(dating);
    this.#place = place;
    if (this.#nowMs() >= this.#dueMs) await this.#keep();
  }

  /** What an older reading was is not kept: it goes whole. */
  rewind(offset: number, place: LogPlace): Promise<LogPlace> {
    this.#begin(offset, place);
    return Promise.resolve(place);
  }

  forget(): void {
    this.#begin(0, undefined);
  }

  report(): Readonly<Record<string, number>> {
    const { size, bytes, state } = this.#options.values;
    return { entries: size, bytes, evictions: state.evictions, since: state.since };
  }

  /** The readings stay in memory, and are told as long as somebody asks. */
  async close(): Promise<void> {
    if (this.#isLoaded) await this.#keep();
  }

  #begin(since: number, place: LogPlace | undefined): void {
    this.#options.values.clear(since);
    this.#book = new DatingBook();
    this.#place = place;
    this.#keptOffset = undefined;
    this.#isLoaded = true;
  }

  async #load(): Promise<void> {
    const { path, values, log } = this.#options;
    let found;
    try {
      found = await readSnapshot(path);
    } catch (error) {
      await setAside(log, path, error, "last values read from the log again");
    }
    this.#isLoaded = true;
    if (found === undefined) return;
    values.restore(
      found.state,
      found.entries.map(([since, reading]) => ({ since, reading })),
    );
    this.#book = new DatingBook(found.datings);
    this.#place = found.place;
    this.#keptOffset = found.place.offset;
  }

  /** One that cannot be written is told, and the next start reads more of the log. */
  async #keep(): Promise<void> {
    const { values, path, log } = this.#options;
    const place = this.#place;
    if (place === undefined || place.offset === this.#keptOffset) return;
    const beganMs = this.#nowMs();
    try {
      const entries = values.entries().map(({ since, reading }) => [since, reading] as const);
      await writeSnapshot(path, { place, state: values.state, datings: this.#book.all }, entries);
      this.#keptOffset = place.offset;
      this.#toldProblem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#toldProblem) log.warn("last-values-not-kept", { path, message: problem });
      this.#toldProblem = problem;
    }
    const endMs = this.#nowMs();
    this.#dueMs = endMs + Math.max(SNAPSHOT_MS, (endMs - beganMs) / SNAPSHOT_SHARE);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicUs() / 1000;
  }
}
