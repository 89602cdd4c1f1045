import { createHash } from "node:crypto";

/**
 * The tree of hashes that dm-verity checks a file system with: blocks of 4096 bytes, SHA-256, salt in front (format 1 of
 * the kernel's Documentation/admin-guide/device-mapper/verity.rst). Byte for byte what `veritysetup format` writes.
 */

export const VERITY_BLOCK_BYTES = 4096;
const HASH_BYTES = 32;
const HASHES_PER_BLOCK = VERITY_BLOCK_BYTES / HASH_BYTES;
const SALT_BYTES_MAX = 256;

export interface VerityTree {
  readonly rootHash: Buffer;
  /** What goes to the device of hashes: header, then the levels from the top one down. */
  readonly bytes: Buffer;
}

/** Takes a file system piece by piece. Memory: 32 bytes for each of its blocks. */
export class VerityBuilder {
  readonly #salt: Uint8Array;
  readonly #uuid: Uint8Array;
  readonly #hashes: Buffer;
  #blocks = 0;

  /** `uuid`: 16 bytes, of the header; `salt`: at most 256 bytes. */
  constructor(dataBlocks: number, { salt, uuid }: { readonly salt: Uint8Array; readonly uuid: Uint8Array }) {
    if (salt.length > SALT_BYTES_MAX) throw new RangeError(`a salt of ${salt.length} bytes`);
    this.#salt = salt;
    this.#uuid = uuid;
    this.#hashes = Buffer.alloc(dataBlocks * HASH_BYTES);
  }

  /** The next blocks, whole ones. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += VERITY_BLOCK_BYTES)
      this.#hashes.set(this.#hash(bytes.subarray(at, at + VERITY_BLOCK_BYTES)), this.#blocks++ * HASH_BYTES);
  }

  /** Throws RangeError unless exactly the announced blocks came. */
  finish(): VerityTree {
    const dataBlocks = this.#hashes.length / HASH_BYTES;
    if (this.#blocks !== dataBlocks) throw new RangeError(`${this.#blocks} of ${dataBlocks} blocks came`);
    const levels: Buffer[] = [];
    let hashes = this.#hashes;
    while (hashes.length > HASH_BYTES) {
      const level = Buffer.alloc(Math.ceil(hashes.length / VERITY_BLOCK_BYTES) * VERITY_BLOCK_BYTES);
      level.set(hashes);
      levels.unshift(level);
      hashes = Buffer.alloc((level.length / VERITY_BLOCK_BYTES) * HASH_BYTES);
      for (let at = 0; at < level.length; at += VERITY_BLOCK_BYTES)
        hashes.set(this.#hash(level.subarray(at, at + VERITY_BLOCK_BYTES)), at / HASHES_PER_BLOCK);
    }
    return { rootHash: hashes, bytes: Buffer.concat([this.#header(dataBlocks), ...levels]) };
  }

  #hash(block: Uint8Array): Buffer {
    return createHash("sha256").update(this.#salt).update(block).digest();
  }

  #header(dataBlocks: number): Buffer {
    const header = Buffer.alloc(VERITY_BLOCK_BYTES);
    header.write(SIGNATURE, 0, "latin1");
    header.writeUInt32LE(1, 8);
    header.writeUInt32LE(1, 12);
    header.set(this.#uuid.subarray(0, 16), 16);
    header.write("sha256", 32, "latin1");
    header.writeUInt32LE(VERITY_BLOCK_BYTES, 64);
    header.writeUInt32LE(VERITY_BLOCK_BYTES, 68);
    header.writeBigUInt64LE(BigInt(dataBlocks), 72);
    header.writeUInt16LE(this.#salt.length, 80);
    header.set(this.#salt, 88);
    return header;
  }
}

const SIGNATURE = "verity\0\0";

/** Bytes of header and tree for a file system of so many blocks. */
export function verityBytes(dataBlocks: number): number {
  let blocks = 1;
  for (let level = dataBlocks; level > 1;) {
    level = Math.ceil(level / HASHES_PER_BLOCK);
    blocks += level;
  }
  return blocks * VERITY_BLOCK_BYTES;
}

/** Blocks of the file system that a header speaks of; undefined when it is none. */
export function dataBlocksOf(header: Uint8Array): number | undefined {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.length);
  if (bytes.length < 512 || bytes.toString("latin1", 0, 8) !== SIGNATURE) return undefined;
  return Number(bytes.readBigUInt64LE(72));
}
