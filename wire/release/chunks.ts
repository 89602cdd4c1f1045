import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * Parts of a release cut where their content says so: a changed byte then changes the chunk around it, and what is moved
 * by whole blocks is cut into the same chunks as before. File systems and sections of programs move in blocks of 4 KiB.
 */

export const CHUNK_BLOCK_BYTES = 4096;
/** Blocks of the longest chunk; their number fits a byte. */
export const CHUNK_BLOCKS_MAX = 64;
const CHUNK_BYTES_MAX = CHUNK_BLOCKS_MAX * CHUNK_BLOCK_BYTES;
/** One block in eight ends a chunk. A block of zeros (CRC-32 C71C0011) does not: a hole is one long chunk after the other. */
const CUT_MASK = 7;
const READ_BYTES = 4 * CHUNK_BYTES_MAX;

export interface Chunk {
  /** Of its first byte in its part. */
  readonly offset: number;
  /** Whole blocks, except in the last chunk. */
  readonly bytes: number;
  /** SHA-256. */
  readonly hash: Uint8Array;
}

/** Exactly `length` bytes from `offset` on. */
export type ReadBytes = (offset: number, length: number) => Promise<Uint8Array>;

/** The chunks of a part of `bytes` bytes, in order. Holds 1 MiB of it at a time. */
export async function* chunksOf(read: ReadBytes, bytes: number): AsyncGenerator<Chunk> {
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  for (let offset = 0; offset < bytes;) {
    let rest = window.subarray(offset - windowAt);
    if (rest.length < CHUNK_BYTES_MAX && offset + rest.length < bytes) {
      window = await read(offset, Math.min(READ_BYTES, bytes - offset));
      windowAt = offset;
      rest = window;
    }
    const chunk = rest.subarray(0, firstChunkBytes(rest));
    yield { offset, bytes: chunk.length, hash: createHash("sha256").update(chunk).digest() };
    offset += chunk.length;
  }
}

/** Bytes of the first chunk of what begins with `rest`, which is a whole chunk at least, or the end. */
function firstChunkBytes(rest: Uint8Array): number {
  const longest = Math.min(rest.length, CHUNK_BYTES_MAX);
  for (let end = CHUNK_BLOCK_BYTES; end < longest; end += CHUNK_BLOCK_BYTES)
    if ((crc32(rest.subarray(end - CHUNK_BLOCK_BYTES, end)) & CUT_MASK) === 0) return end;
  return longest;
}
