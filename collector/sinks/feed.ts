import type { IncomingMessage } from "node:http";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Random } from "@paddock/base/random.ts";
import { ItemSplitter, type WholeItem } from "../log/log-items.ts";
import { LOG_CONTENT_TYPES } from "../log/log-line.ts";
import { markOf, type LogPlace } from "../log/log-place.ts";
import { askStream } from "../operator/operator-client.ts";

/** The place is none of this log any more. The message says where to go on. */
export class PlaceDrift extends Error {}

/** The feed was closed while somebody waited for its next item. */
export class FeedClosed extends Error {}

export interface FeedOptions {
  readonly socket: string;
  readonly clock: Clock;
  readonly random: Random;
}

const BACK_OFF_FIRST_MS = 100;
const BACK_OFF_LAST_MS = 30_000;

/**
 * The log from a place on, item by item, and then what arrives. It pulls: unread, it holds what the sockets hold and one
 * piece of theirs. A connection that is lost is made again, and no offset is passed over.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #closing = new AbortController();
  #place: LogPlace;
  #items: WholeItem[] = [];
  #answer: IncomingMessage | undefined;
  #pieces: AsyncIterator<Buffer> | undefined;
  #splitter = new ItemSplitter();
  #failures = 0;
  #trouble: string | undefined;

  constructor(options: FeedOptions, place: LogPlace) {
    this.#options = options;
    this.#place = place;
  }

  /** Where it stands: behind the last item that it gave. */
  get place(): LogPlace {
    return this.#place;
  }

  /** Why nothing comes, while it is so; for people. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * The next item; the first one may begin before the place. Waits while there is none, and while the collector does not
   * answer. Throws PlaceDrift and FeedClosed.
   */
  async next(): Promise<WholeItem> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) return this.#give(item);
      if (this.#closing.signal.aborted) throw new FeedClosed("The feed is closed.");
      try {
        await this.#read();
        this.#failures = 0;
        this.#trouble = undefined;
      } catch (error) {
        if (error instanceof PlaceDrift) throw error;
        this.#disconnect();
        if (this.#closing.signal.aborted) continue;
        this.#trouble = messageOf(error);
        await this.#pause();
      }
    }
  }

  close(): void {
    this.#closing.abort();
    this.#disconnect();
  }

  #give(item: WholeItem): WholeItem {
    const { clock } = this.#options;
    const place = { offset: item.offset + item.count, updated: clock.wallMs(), behind: markOf(item) };
    this.#place = this.#place.log === undefined ? place : { ...place, log: this.#place.log };
    return item;
  }

  async #read(): Promise<void> {
    const pieces = (this.#pieces ??= await this.#connect());
    const { value, done } = await pieces.next();
    if (done === true) throw new Error("The collector ended the log.");
    const items = this.#splitter.take(value);
    if (!items.ok) throw new Error(items.detail);
    let next = this.#place.offset;
    for (const item of items.value) {
      if (item.offset > next || item.offset + item.count <= next) {
        throw new Error(`The collector gave offset ${item.offset} of the log, and ${next} comes next.`);
      }
      next = item.offset + item.count;
    }
    this.#items = items.value;
  }

  async #connect(): Promise<AsyncIterator<Buffer>> {
    const { offset, log, behind, updated } = this.#place;
    const query = new URLSearchParams({ follow: "1", from: String(offset), updated: String(updated) });
    if (log !== undefined && log !== "") query.set("log", log);
    if (behind !== undefined && behind !== null) query.set("behind", behind);
    const path = `/v1/log?${query.toString()}`;
    const answer = await askStream(this.#options.socket, { path, accept: LOG_CONTENT_TYPES.batches });
    answer.on("error", () => {});
    this.#answer = answer;
    this.#splitter = new ItemSplitter();
    if (this.#closing.signal.aborted) throw new FeedClosed("The feed is closed.");
    if (answer.statusCode !== 200) {
      const message = await refusalIn(answer);
      throw answer.statusCode === 416 ? new PlaceDrift(message) : new Error(message);
    }
    this.#place = { ...this.#place, log: String(answer.headers["paddock-log"] ?? "") };
    return (answer as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  #disconnect(): void {
    this.#answer?.destroy();
    this.#answer = undefined;
    this.#pieces = undefined;
  }

  async #pause(): Promise<void> {
    const { clock, random } = this.#options;
    const fullMs = Math.min(BACK_OFF_LAST_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(this.#failures++, 20));
    const { signal } = this.#closing;
    await new Promise<void>((resolve) => {
      const timer = clock.after(fullMs * (0.5 + random.float() / 2), resolve);
      signal.addEventListener("abort", () => {
        timer.cancel();
        resolve();
      });
    });
  }
}

async function refusalIn(answer: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of answer as AsyncIterable<Buffer>) if (text.length < 4096) text += piece.toString("utf8");
  try {
    return String((JSON.parse(text) as { message: unknown }).message);
  } catch {
    return `The collector answers ${answer.statusCode}.`;
  }
}
