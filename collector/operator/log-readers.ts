import type { ServerResponse } from "node:http";
import { once } from "node:events";
import type { Clock } from "@paddock/base/clock.ts";

/** A reader that takes nothing for this long gives way when somebody else wants its place. */
const STALLED_MS = 10_000;

interface Reader {
  readonly gone: AbortController;
  /** Since when the reader takes nothing, in µs of the monotonic clock; undefined while it does. */
  stalledSince: number | undefined;
}

/** The connected readers of the log: a bounded number, and none keeps its place by stopping to read. */
export class LogReaders {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #readers = new Set<Reader>();
  readonly #stopping = new AbortController();

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get count(): number {
    return this.#readers.size;
  }

  /** Whether there is room for one more, made if need be by letting go of the reader that stands still longest. */
  hasRoom(): boolean {
    if (this.#readers.size < this.#max) return true;
    const [longest] = [...this.#readers]
      .filter(({ stalledSince }) => stalledSince !== undefined)
      .toSorted((left, right) => left.stalledSince! - right.stalledSince!);
    if (longest === undefined || this.#clock.monotonicUs() - longest.stalledSince! < STALLED_MS * 1000) return false;
    this.#readers.delete(longest);
    longest.gone.abort();
    return true;
  }

  /** Sends what `pieces` gives at the pace of the other side, until it ends or one of the two goes. */
  send(response: ServerResponse, pieces: (signal: AbortSignal) => AsyncIterable<Uint8Array>): Promise<void> {
    return this.hold(response, async ({ signal, reader }) => {
      try {
        for await (const piece of pieces(signal)) {
          if (response.write(piece)) continue;
          reader.stalledSince = this.#clock.monotonicUs();
          await once(response, "drain", { signal });
          reader.stalledSince = undefined;
        }
        // What ends before its end must not look like a whole answer.
        if (signal.aborted) response.destroy();
        else response.end();
      } catch (error) {
        response.destroy();
        if (!signal.aborted) throw error;
      }
    });
  }

  /** Keeps a place for whoever waits for `response`, while `work` goes on; its signal aborts when one of the two goes. */
  async hold<Result>(
    response: ServerResponse,
    work: (held: { readonly signal: AbortSignal; readonly reader: Reader }) => Promise<Result>,
  ): Promise<Result> {
    const reader: Reader = { gone: new AbortController(), stalledSince: undefined };
    this.#readers.add(reader);
    response.once("close", () => reader.gone.abort());
    const signal = AbortSignal.any([reader.gone.signal, this.#stopping.signal]);
    try {
      return await work({ signal, reader });
    } finally {
      this.#readers.delete(reader);
    }
  }

  /** Ends every reader at the next batch boundary. */
  stop(): void {
    this.#stopping.abort();
  }
}
