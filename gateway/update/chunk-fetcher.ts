import { PaddockError } from "@paddock/base/errors.ts";
import type { Chunk } from "@paddock/wire/release/chunks.ts";
import { isChunk } from "./local-chunks.ts";
import type { PartName, ReleaseSource } from "./ports.ts";

/** Bytes of one request: neighbours that are both missing come together. */
const RUN_BYTES_MAX = 1024 * 1024;

/** Fetches chunks of a part in their order, several in one request. Holds one request's bytes. */
export class ChunkFetcher {
  readonly #source: ReleaseSource;
  readonly #part: PartName;
  readonly #wanted: readonly Chunk[];
  #next = 0;
  #run: { readonly offset: number; readonly bytes: Uint8Array } = { offset: 0, bytes: new Uint8Array(0) };
  fetchedBytes = 0;

  /** `wanted` in the order in which they will be taken. */
  constructor(source: ReleaseSource, part: PartName, wanted: readonly Chunk[]) {
    this.#source = source;
    this.#part = part;
    this.#wanted = wanted;
  }

  /** Fetches the first chunks, so that a source that is not there or lies is found out before anything is given up. */
  async begin(): Promise<void> {
    if (this.#next < this.#wanted.length) await this.#fetch();
  }

  /** The next wanted chunk. Throws UPDATE_SOURCE when other bytes come. */
  async take(chunk: Chunk): Promise<Uint8Array> {
    if (this.#wanted[this.#next] !== chunk) throw new Error("chunks are taken in another order than announced");
    let bytes = this.#held(chunk);
    if (bytes === undefined) {
      await this.#fetch();
      bytes = this.#held(chunk)!;
    }
    this.#next++;
    return bytes;
  }

  #held({ offset, bytes }: Chunk): Uint8Array | undefined {
    const from = offset - this.#run.offset;
    return from >= 0 && from + bytes <= this.#run.bytes.length
      ? this.#run.bytes.subarray(from, from + bytes)
      : undefined;
  }

  async #fetch(): Promise<void> {
    const first = this.#wanted[this.#next]!;
    let end = this.#next + 1;
    let length = first.bytes;
    for (let next = this.#wanted[end]; next !== undefined; next = this.#wanted[++end]) {
      if (next.offset !== first.offset + length || length + next.bytes > RUN_BYTES_MAX) break;
      length += next.bytes;
    }
    const bytes = await this.#source.read(this.#part, first.offset, length);
    for (const chunk of this.#wanted.slice(this.#next, end)) {
      const from = chunk.offset - first.offset;
      if (isChunk(chunk, bytes.subarray(from, from + chunk.bytes))) continue;
      throw new PaddockError(
        "UPDATE_SOURCE",
        `The source has other bytes than the release at byte ${chunk.offset} of its ${this.#part}.`,
        { remedy: "Take the release from another server, or its file again: this one is damaged or not what it says." },
      );
    }
    this.fetchedBytes += length;
    this.#run = { offset: first.offset, bytes };
  }
}
