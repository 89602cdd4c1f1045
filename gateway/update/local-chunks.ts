import { createHash } from "node:crypto";
import { chunksOf, type Chunk, type ReadBytes } from "@paddock/wire/release/chunks.ts";

/** Something on this device that a new release may have chunks in common with. */
export interface LocalPart {
  readonly read: ReadBytes;
  readonly bytes: number;
}

/** The chunks that this device holds already: those of the release that runs. */
export class LocalChunks {
  readonly #places = new Map<string, { readonly part: LocalPart; readonly offset: number }>();

  /** Reads and hashes the parts once. */
  static async index(parts: readonly LocalPart[]): Promise<LocalChunks> {
    const chunks = new LocalChunks();
    for (const part of parts)
      for await (const { offset, hash } of chunksOf(part.read, part.bytes))
        chunks.#places.set(keyOf(hash), { part, offset });
    return chunks;
  }

  has({ hash }: Chunk): boolean {
    return this.#places.has(keyOf(hash));
  }

  /** The bytes of a chunk, hashed again; undefined when they are not there, or not any more. */
  async take(chunk: Chunk): Promise<Uint8Array | undefined> {
    const place = this.#places.get(keyOf(chunk.hash));
    if (place === undefined) return undefined;
    const bytes = await place.part.read(place.offset, chunk.bytes);
    return isChunk(chunk, bytes) ? bytes : undefined;
  }
}

/** Whether these are the bytes of the chunk. */
export function isChunk({ hash, bytes: length }: Chunk, bytes: Uint8Array): boolean {
  return bytes.length === length && createHash("sha256").update(bytes).digest().equals(hash);
}

function keyOf(hash: Uint8Array): string {
  return Buffer.from(hash).toString("base64");
}
