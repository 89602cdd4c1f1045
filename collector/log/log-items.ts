import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { LogItem, LogLoss } from "@paddock/store/log-reads.ts";
import { CborReader, skipItem } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { laneOf } from "@paddock/wire/lanes.ts";
import { HASH_BYTES, HEADER_BYTES_MAX, HEADER_BYTES_MIN, PAYLOAD_BYTES_MAX } from "@paddock/wire/limits.ts";
import { checkBatch } from "@paddock/wire/batch.ts";
import type { LoggedBatch } from "./log-line.ts";

/** A batch of the log with its header as it was signed. */
export interface WholeBatch extends LoggedBatch {
  readonly header: Uint8Array;
  readonly lost?: undefined;
}

/** What the log holds from one offset on: a batch, or records that are lost. */
export type WholeItem = WholeBatch | LogLoss;

/** Bytes of an item around its header and payload, at most. */
const OVERHEAD_BYTES_MAX = 256;
const ITEM_BYTES_MAX = HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX + OVERHEAD_BYTES_MAX;

/**
 * Items of the log as they are, no record of them decoded: a CBOR sequence of `{"header", "offset", "payload",
 * "received"}`, with `"damaged": count` where this collector's disk lost the payload, and of losses as `log-line.ts` has them.
 * `losses` renders one.
 */
export function encodeItems(items: readonly LogItem[], loss: (loss: LogLoss) => Uint8Array): Buffer {
  let bytes = 0;
  for (const item of items)
    bytes += OVERHEAD_BYTES_MAX + (item.lost === undefined ? item.header.length + (item.payload?.length ?? 0) : 0);
  const writer = new CborWriter(bytes);
  for (const item of items) {
    if (item.lost !== undefined) {
      writer.raw(loss(item));
      continue;
    }
    const { header, offset, payload, received, damaged, count } = item;
    // Keys in the order of deterministic CBOR: by length, then bytewise (RFC 8949 §4.2.1).
    writer.map(damaged === true ? 5 : 4);
    writer.text("header").bytes(header).text("offset").int(offset);
    if (damaged === true) writer.text("damaged").int(count);
    writer.text("payload");
    if (payload === null) writer.null();
    else writer.bytes(payload);
    writer.text("received").int(received);
  }
  return writer.take();
}

export type ItemProblem = "log-item";

/** Splits the pieces of such a sequence, as they come, into its items, each held against its hashes. */
export class ItemSplitter {
  #held: Buffer = Buffer.alloc(0);

  /** Bytes of an item that has not come whole; 0 between two items. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** The items that end in this piece. What does not fit ends the sequence: the splitter is of no use behind it. */
  take(piece: Uint8Array): Outcome<WholeItem[], ItemProblem> {
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    const items: WholeItem[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at]! >> 5 !== 5) return refuse("log-item", "An item of the log is no map.");
      const end = skipItem(bytes, at);
      if (end < 0) break;
      const item = decodeItem(bytes.subarray(at, end));
      if (!item.ok) return item;
      items.push(item.value);
      at = end;
    }
    if (bytes.length - at > ITEM_BYTES_MAX) return refuse("log-item", "An item of the log has no end.");
    this.#held = Buffer.from(bytes.subarray(at));
    return accept(items);
  }
}

function decodeItem(bytes: Uint8Array): Outcome<WholeItem, ItemProblem> {
  const reader = new CborReader(bytes);
  const pairs = reader.map("item", 3, 7);
  const item = pairs === 4 || pairs === 5 ? readBatch(reader, pairs) : readLoss(reader, pairs);
  reader.end("item");
  if (reader.problem !== undefined) return refuse("log-item", `An item of the log does not fit: ${reader.problem}.`);
  return item;
}

function readBatch(reader: CborReader, pairs: number): Outcome<WholeBatch, ItemProblem> {
  const header = keyed(reader, "header").bytes("header", HEADER_BYTES_MIN, HEADER_BYTES_MAX);
  const offset = keyed(reader, "offset").uint("offset");
  if (pairs === 5) keyed(reader, "damaged").uint("damaged");
  keyed(reader, "payload");
  const payload = reader.takeNull() ? null : reader.bytes("payload", 0, PAYLOAD_BYTES_MAX);
  const received = keyed(reader, "received").uint("received");
  if (reader.problem !== undefined) return refuse("log-item", reader.problem);
  const checked = checkBatch({ header, payload });
  if (!checked.ok) return refuse("log-item", `The batch at offset ${offset}: ${checked.detail}`);
  const { decoded } = checked.value;
  const { lane, epoch, seq, count } = decoded.position;
  const chain = { gateway: decoded.gateway, lane, epoch };
  const batch = { offset, count, received, chain, seq, header, payload, decoded };
  return accept(pairs === 5 ? { ...batch, damaged: true } : batch);
}

const LOSSES: ReadonlySet<string> = new Set<LogLoss["lost"]>(["entry", "header", "rolled-back", "trimmed"]);

function readLoss(reader: CborReader, pairs: number): Outcome<LogLoss, ItemProblem> {
  const isKnown = pairs === 7;
  const seq = isKnown ? keyed(reader, "seq").uint("seq") : 0;
  const why = keyed(reader, "why").text("why", 16);
  const lane = isKnown ? laneOf(keyed(reader, "lane").text("lane", 16)) : undefined;
  const count = keyed(reader, "lost").uint("lost");
  const epoch = isKnown ? keyed(reader, "epoch").uint("epoch") : 0;
  const offset = keyed(reader, "offset").uint("offset");
  const gateway = isKnown ? keyed(reader, "gateway").bytes("gateway", HASH_BYTES) : undefined;
  if (reader.problem !== undefined) return refuse("log-item", reader.problem);
  if (!LOSSES.has(why)) return refuse("log-item", `"why" of a loss is ${JSON.stringify(why)}.`);
  const loss = { offset, count, lost: why as LogLoss["lost"] };
  if (gateway === undefined || lane === undefined) return accept(loss);
  return accept({ ...loss, chain: { gateway, lane, epoch }, seq });
}

function keyed(reader: CborReader, key: string): CborReader {
  const found = reader.text("key", 16);
  if (found !== key) reader.fail(`a key is ${JSON.stringify(found)}, not ${key}`);
  return reader;
}
