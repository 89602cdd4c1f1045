import { CHAIN_KEY_BYTES, chainOfBytes, logOffsetOfKey, readUint64, writeUint64 } from "./keyspace.ts";
import type { LogEntry } from "./types.ts";

/** How a batch stood when its entry was written; entries are never rewritten, so that every replay is the same. */
export const LOG_WITH_PAYLOAD = 0;
/** Arrived evicted. When its payload arrives later, that is another entry. */
export const LOG_EVICTED = 1;
/** Was rolled back after damage: readers step over it. */
export const LOG_LOST = 2;
export type LogKind = typeof LOG_WITH_PAYLOAD | typeof LOG_EVICTED | typeof LOG_LOST;

/** Bytes of an entry: kind, chain, seq, count, received. */
export const LOG_ENTRY_BYTES = 1 + CHAIN_KEY_BYTES + 8 + 4 + 8;

export interface StoredLogEntry extends LogEntry {
  readonly kind: LogKind;
}

export function encodeLogEntry(kind: LogKind, chain: Uint8Array, seq: number, count: number, received: number): Buffer {
  const value = Buffer.allocUnsafe(LOG_ENTRY_BYTES);
  value[0] = kind;
  value.set(chain, 1);
  writeUint64(value, 1 + CHAIN_KEY_BYTES, seq);
  value.writeUInt32BE(count, 1 + CHAIN_KEY_BYTES + 8);
  writeUint64(value, 1 + CHAIN_KEY_BYTES + 12, received);
  return value;
}

/** Reads an entry back, or returns what is wrong with it. */
export function decodeLogEntry(key: Uint8Array, value: Uint8Array): StoredLogEntry | string {
  const offset = logOffsetOfKey(key);
  if (value.length !== LOG_ENTRY_BYTES || value[0]! > LOG_LOST) return `the log entry at offset ${offset} is damaged`;
  const view = Buffer.from(value.buffer, value.byteOffset, value.length);
  return {
    offset,
    kind: view[0] as LogKind,
    chain: chainOfBytes(view.subarray(1, 1 + CHAIN_KEY_BYTES)),
    seq: readUint64(view, 1 + CHAIN_KEY_BYTES),
    count: view.readUInt32BE(1 + CHAIN_KEY_BYTES + 8),
    received: readUint64(view, 1 + CHAIN_KEY_BYTES + 12),
  };
}
