import { promisify } from "node:util";
import { constants, zstdCompress, zstdCompressSync } from "node:zlib";
import type { Lane } from "@paddock/wire/lanes.ts";

const compress = promisify(zstdCompress);
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Up to here a body is compressed in place: the way through the thread pool would cost more than the work. */
const IN_PLACE_BYTES_MAX = 32 * 1024;

/** Below this the frame around the compressed data eats what it saves. */
const WORTH_BYTES_MIN = 512;
/** Compression pays when it leaves at most this part of the bytes. */
const WORTH_RATIO = 0.9;
/** A lane that does not compress is tried again once in so many requests. */
const TRY_EVERY = 16;

export interface PackedBody {
  readonly body: Uint8Array;
  readonly encoding: "zstd" | undefined;
}

/** Compresses request bodies with zstd (RFC 8878) where it pays, lane by lane, by what the last request gained. */
export class BodyCompression {
  readonly #lanes = new Map<Lane, { ratio: number; skipped: number }>();

  async pack(lane: Lane, body: Uint8Array): Promise<PackedBody> {
    if (body.length < WORTH_BYTES_MIN || this.#skips(lane)) return { body, encoding: undefined };
    const packed = body.length <= IN_PLACE_BYTES_MAX ? zstdCompressSync(body, OPTIONS) : await compress(body, OPTIONS);
    const ratio = packed.length / body.length;
    this.#lanes.set(lane, { ratio, skipped: 0 });
    return ratio <= WORTH_RATIO ? { body: packed, encoding: "zstd" } : { body, encoding: undefined };
  }

  #skips(lane: Lane): boolean {
    const known = this.#lanes.get(lane);
    if (known === undefined || known.ratio <= WORTH_RATIO) return false;
    known.skipped++;
    return known.skipped % TRY_EVERY !== 0;
  }
}
