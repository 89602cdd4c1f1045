import type { Lane } from "@paddock/wire/lanes.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import type { ChainId } from "./types.ts";

/**
 * Every key of the store starts with the number of its space. Numbers are never reused and never change their meaning;
 * a new kind of entry gets the next number and, when old readers would go wrong, a new FORMAT_VERSION.
 *
 * `<chain>` is 32 bytes of gateway id, 1 of lane, 4 of epoch; numbers are big endian, so that keys sort by chain, then
 * by seq.
 */
export const KEY_SPACES = {
  /** No further key. Value: the format version, one byte. */
  format: 0,
  /** `<chain>`. Value: chain state (chain-state.ts), rewritten with every write to the chain. */
  chain: 1,
  /** `<chain><seq u64>`. Value: the encoded header. */
  header: 2,
  /** `<chain><seq u64>`. Value: the payload. Absent when evicted. */
  payload: 3,
  /** `<chain>`. Value: the last receipt, as signed. */
  receipt: 4,
  /** UTF-8 text. Value: the caller's. */
  side: 5,
  /** `<offset u64>`. Value: log entry (arrival-log.ts). */
  log: 6,
  /** `<chain><kind u8>`. Value: what a repair left to be done (duties.ts). */
  duty: 7,
  /** `<chain>`. Value: log entries that a roll-back took the batches from (revocations.ts). */
  revoked: 8,
  /** No further key. Value: 16 random bytes that name the arrival log, in which an offset means something. */
  incarnation: 9,
  /** No further key. Value: bytes of all side entries, and the number of the write that left it so (side-book.ts). */
  sideTotal: 10,
} as const;

export const FORMAT_VERSION = 1;

export type KeySpace = (typeof KEY_SPACES)[keyof typeof KEY_SPACES];
type SeqSpace = typeof KEY_SPACES.header | typeof KEY_SPACES.payload;
type ChainSpace = typeof KEY_SPACES.chain | typeof KEY_SPACES.receipt;

export const CHAIN_KEY_BYTES = HASH_BYTES + 1 + 4;
/** Bytes of a header's or payload's key. */
export const SEQ_KEY_BYTES = 1 + CHAIN_KEY_BYTES + 8;

/** The chain's 37 bytes. Throws RangeError for an id that has no place in the key space. */
export function chainBytes(id: ChainId): Buffer {
  if (id.gateway.length !== HASH_BYTES) throw new RangeError(`a gateway id has ${id.gateway.length} bytes`);
  const bytes = Buffer.allocUnsafe(CHAIN_KEY_BYTES);
  bytes.set(id.gateway, 0);
  bytes[HASH_BYTES] = id.lane;
  bytes.writeUInt32BE(id.epoch, HASH_BYTES + 1);
  return bytes;
}

export function chainOfBytes(bytes: Uint8Array): ChainId {
  const view = Buffer.from(bytes);
  return {
    gateway: view.subarray(0, HASH_BYTES),
    lane: view[HASH_BYTES] as Lane,
    epoch: view.readUInt32BE(HASH_BYTES + 1),
  };
}

/** The same 37 bytes as a string, for maps. */
export function chainName(id: ChainId): string {
  return chainBytes(id).toString("latin1");
}

export function spaceKey(space: KeySpace, rest: Uint8Array = EMPTY): Buffer {
  const key = Buffer.allocUnsafe(1 + rest.length);
  key[0] = space;
  key.set(rest, 1);
  return key;
}

export function chainKey(space: ChainSpace, chain: Uint8Array): Buffer {
  return spaceKey(space, chain);
}

export function seqKey(space: SeqSpace, chain: Uint8Array, seq: number): Buffer {
  const key = Buffer.allocUnsafe(SEQ_KEY_BYTES);
  key[0] = space;
  key.set(chain, 1);
  writeUint64(key, 1 + CHAIN_KEY_BYTES, seq);
  return key;
}

export function seqOfKey(key: Uint8Array): number {
  return readUint64(key, 1 + CHAIN_KEY_BYTES);
}

export function logKey(offset: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = KEY_SPACES.log;
  writeUint64(key, 1, offset);
  return key;
}

export function logOffsetOfKey(key: Uint8Array): number {
  return readUint64(key, 1);
}

const SIDE_NAME_BYTES_MAX = 128;

/** Throws RangeError for a name that is empty or too long. */
export function sideKey(name: string): Buffer {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length === 0 || bytes.length > SIDE_NAME_BYTES_MAX) {
    throw new RangeError(`side key "${name}" has ${bytes.length} bytes, not 1 to ${SIDE_NAME_BYTES_MAX}`);
  }
  return spaceKey(KEY_SPACES.side, bytes);
}

export function sideNameOfKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("utf8", 1);
}

/** Every key of a space that starts with `prefix`; no prefix may consist of 0xff bytes alone. */
export function prefixRange(space: KeySpace, prefix: Uint8Array = EMPTY): { gte: Buffer; lt: Buffer } {
  const gte = spaceKey(space, prefix);
  const lt = Buffer.from(gte);
  let last = lt.length - 1;
  while (lt[last] === 0xff) last--;
  lt[last]!++;
  return { gte, lt: lt.subarray(0, last + 1) };
}

/** The keys of a chain's seqs `first` to `last`. */
export function seqRange(
  space: SeqSpace,
  chain: Uint8Array,
  first: number,
  last: number,
): { gte: Buffer; lte: Buffer } {
  return { gte: seqKey(space, chain, first), lte: seqKey(space, chain, last) };
}

export function writeUint64(target: Buffer, offset: number, value: number): void {
  target.writeUInt32BE(Math.floor(value / 0x1_0000_0000), offset);
  target.writeUInt32BE(value >>> 0, offset + 4);
}

export function readUint64(source: Uint8Array, offset: number): number {
  const view = Buffer.from(source.buffer, source.byteOffset, source.length);
  return view.readUInt32BE(offset) * 0x1_0000_0000 + view.readUInt32BE(offset + 4);
}

const EMPTY = new Uint8Array(0);
