import { createHmac, type KeyObject } from "node:crypto";
import type { Random } from "@paddock/base/random.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import type { SideEntry } from "@paddock/store/types.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { RECORDS_MAX } from "@paddock/wire/limits.ts";
import type { NoteBook } from "../commit/frame-sink.ts";
import { EXCHANGE_LIFETIME_S, type DuplicateRing } from "./duplicate-ring.ts";

/**
 * What of the duplicate ring survives a restart (docs/protocol.md §1.3). Between the write of a batch and its answers
 * the process may die; then the sensors send the same messages again, and without this they would be stored twice. The
 * answers of a batch leave before the next batch of its lane is durable, so the messages of the last one are enough. A
 * start puts what the runs before it left into one more entry, as a copy may come after several restarts.
 */

/** The prefix of the side entries, one for each lane. */
export const EXCHANGE_PREFIX = "exchange:";
export interface RestoredExchanges {
  /** The gateway's key: from it comes the seed of the message hash, which has to stay the same. */
  readonly secret: KeyObject;
  readonly boot: number;
  /** The store's side entries under `exchange:`. */
  readonly states: ReadonlyMap<string, Uint8Array>;
}

const HEAD_BYTES = 12;
/** Every message of the largest batch, 8 bytes each. */
const SEGMENT_BYTES_MAX = HEAD_BYTES + 8 * RECORDS_MAX;
/** Of one start's `exchange:earlier`: the last batch of each lane, and more of a gateway that dies again and again. */
const EARLIER_BYTES_MAX = 4 * SEGMENT_BYTES_MAX;

interface Segment {
  /** CLOCK_MONOTONIC. */
  readonly atS: number;
  readonly bytes: Buffer;
}

/** Notes the messages of each lane's batch in the lane's entry, in place of those of the batch before. */
export function exchangeBook(boot: number): NoteBook {
  return {
    entry: (lane, monotonicUs, keys) => ({
      key: EXCHANGE_PREFIX + laneName(lane),
      value: encodeExchanges(boot, Math.floor(monotonicUs / 1_000_000), keys),
    }),
  };
}

/** A segment: boot, time, length, keys. `keys` are pairs of low and high; `atS` is CLOCK_MONOTONIC. */
export function encodeExchanges(boot: number, atS: number, keys: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + keys.length * 4);
  bytes.writeUInt32BE(boot >>> 0, 0);
  bytes.writeUInt32BE(atS >>> 0, 4);
  bytes.writeUInt32BE(keys.length * 4, 8);
  for (const [index, half] of keys.entries()) bytes.writeInt32BE(half, HEAD_BYTES + index * 4);
  return bytes;
}

/** Puts the remembered messages into the ring as answered, with the age that they have. */
export function restoreExchanges(ring: DuplicateRing, { boot, states }: RestoredExchanges): void {
  for (const { atS, bytes } of segmentsOf(states, boot)) {
    for (let at = HEAD_BYTES; at + 8 <= bytes.length; at += 8) {
      ring.settle(ring.add(bytes.readInt32BE(at), bytes.readInt32BE(at + 4), atS), CODE_CHANGED);
    }
  }
}

/** The entry to be made durable at a start, before the first frame: what the lanes' entries will soon not hold any more. */
export function earlierExchanges(states: ReadonlyMap<string, Uint8Array>, boot: number, nowS: number): SideEntry {
  const kept: Buffer[] = [];
  let length = 0;
  for (const { atS, bytes } of segmentsOf(states, boot).toReversed()) {
    if (nowS - atS > EXCHANGE_LIFETIME_S || length + bytes.length > EARLIER_BYTES_MAX) break;
    kept.push(bytes);
    length += bytes.length;
  }
  return { key: `${EXCHANGE_PREFIX}earlier`, value: length === 0 ? null : Buffer.concat(kept) };
}

/**
 * The segments of this boot, oldest first. Those of another boot are left out: how old they are is unknown, and to take
 * a new reading for an old one would lose it.
 */
function segmentsOf(states: ReadonlyMap<string, Uint8Array>, boot: number): Segment[] {
  const segments: Segment[] = [];
  for (const state of states.values()) {
    const bytes = Buffer.from(state.buffer, state.byteOffset, state.length);
    for (let start = 0; start + HEAD_BYTES <= bytes.length;) {
      const end = start + HEAD_BYTES + bytes.readUInt32BE(start + 8);
      if (end > bytes.length) break;
      const segment = bytes.subarray(start, end);
      if (segment.readUInt32BE(0) === boot >>> 0) segments.push({ atS: segment.readUInt32BE(4), bytes: segment });
      start = end;
    }
  }
  return segments.toSorted((left, right) => left.atS - right.atS);
}

/** The seed of the message hash, the same after every start. */
export function exchangeSeed(secret: KeyObject): Pick<Random, "uint32"> {
  const key = secret.export({ format: "der", type: "pkcs8" });
  const words = createHmac("sha256", key).update("paddock message hash").digest();
  let at = 0;
  return { uint32: () => words.readUInt32BE(((at += 4) - 4) % words.length) };
}
