import { ItemSplitter } from "../../log/log-items.ts";
import { LOG_CONTENT_TYPES } from "../../log/log-line.ts";
import { askStream, refuseErrorStream } from "../../operator/operator-client.ts";
import { hexOf } from "../../chain-name.ts";
import { DatingBook } from "../dating.ts";
import { isNewer, type Channel } from "../newest.ts";
import type { Row } from "../row.ts";
import { rowsOfBatch } from "../rows.ts";
import { readingOf } from "./reading.ts";
import type { LookHints, Look, LowerTier } from "./tiers.ts";

/** Records that one look goes through at most: a fraction of a second. */
const LOOK_RECORDS = 200_000;

/** The end of the part of the log in which a reading can be that no other tier has. */
export class LogTier implements LowerTier {
  readonly tier = "log";
  readonly waitMs = 5000;
  readonly #socket: string;
  readonly #lookRecords: number;

  constructor(socket: string, lookRecords = LOOK_RECORDS) {
    this.#socket = socket;
    this.#lookRecords = lookRecords;
  }

  async find(channel: Channel, { before }: LookHints): Promise<Look> {
    const from = Math.max(0, before - this.#lookRecords);
    const note = `log: looked at offsets ${from} to ${before}`;
    const newest = await this.#newest(channel, from, before);
    if (newest === undefined) return { note };
    return { found: { reading: readingOf(newest), since: from, upTo: from === 0 ? before : null }, note };
  }

  close(): void {}

  async #newest(channel: Channel, from: number, before: number): Promise<Row | undefined> {
    if (from >= before) return undefined;
    const path = `/v1/log?from=${from}`;
    const answer = await askStream(this.#socket, { path, accept: LOG_CONTENT_TYPES.batches });
    await refuseErrorStream(answer);
    const splitter = new ItemSplitter();
    const book = new DatingBook();
    let newest: Row | undefined;
    for await (const piece of answer as AsyncIterable<Buffer>) {
      const items = splitter.take(piece);
      if (!items.ok) throw new Error(items.detail);
      for (const item of items.value) {
        if (item.offset >= before) return newest;
        if (item.lost !== undefined) continue;
        const gateway = hexOf(item.chain.gateway);
        book.note(gateway, item);
        if (gateway !== channel.gateway) continue;
        for (const row of rowsOfBatch(item, from, book).rows) {
          const isMeant = row.name === channel.name && row.source === channel.source && row.offset < before;
          if (isMeant && (newest === undefined || isNewer(row, newest))) newest = row;
        }
      }
    }
    return newest;
  }
}
