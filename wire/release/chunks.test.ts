import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { fc } from "../testing/fast-check.ts";
import { CHUNK_BLOCK_BYTES, CHUNK_BLOCKS_MAX, chunksOf, type Chunk } from "./chunks.ts";

async function cut(bytes: Uint8Array): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of chunksOf(async (at, length) => bytes.subarray(at, at + length), bytes.length))
    chunks.push(chunk);
  return chunks;
}

/** Blocks without a pattern, the same for the same seed. */
function blocks(seed: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * CHUNK_BLOCK_BYTES);
  for (let block = 0; block < count; block++)
    bytes.set(createHash("sha256").update(`${seed} ${block}`).digest(), block * CHUNK_BLOCK_BYTES);
  return bytes;
}

const file = fc
  .record({ seed: fc.nat(), count: fc.integer({ min: 1, max: 400 }), rest: fc.nat(CHUNK_BLOCK_BYTES - 1) })
  .map(({ seed, count, rest }) => Buffer.concat([blocks(seed, count), Buffer.alloc(rest, seed)]));

const hashesOf = (chunks: readonly Chunk[]): Set<string> =>
  new Set(chunks.map(({ hash }) => Buffer.from(hash).toString("hex")));

describe("chunks", () => {
  test("put together are the whole, and each has its hash", async () => {
    await fc.assert(
      fc.asyncProperty(file, async (bytes) => {
        let end = 0;
        for (const { offset, bytes: length, hash } of await cut(bytes)) {
          expect(offset).toBe(end);
          end += length;
          expect(length).toBeLessThanOrEqual(CHUNK_BLOCKS_MAX * CHUNK_BLOCK_BYTES);
          if (end < bytes.length) expect(length % CHUNK_BLOCK_BYTES).toBe(0);
          const wanted = createHash("sha256").update(bytes.subarray(offset, end)).digest();
          expect(wanted.equals(hash)).toBe(true);
        }
        expect(end).toBe(bytes.length);
      }),
      { numRuns: scaled(240) },
    );
  });

  test("a byte that changes costs three of them at most", async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.nat(), async (bytes, place) => {
        const before = hashesOf(await cut(bytes));
        const changed = Buffer.from(bytes);
        changed[place % bytes.length]! ^= 1;
        const fresh = (await cut(changed)).filter(({ hash }) => !before.has(Buffer.from(hash).toString("hex")));
        // Its own; where an end goes away or comes, those up to the next end that the content says.
        expect(fresh.length).toBeLessThanOrEqual(3);
        expect(fresh.length).toBeGreaterThan(0);
      }),
      { numRuns: scaled(400) },
    );
  });

  test("blocks put in front change those around the seam alone", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 9 }), async (seed, added) => {
        const bytes = blocks(seed, 500);
        const before = hashesOf(await cut(bytes));
        const moved = await cut(Buffer.concat([blocks(seed + 1, added), bytes]));
        const fresh = moved.filter(({ hash }) => !before.has(Buffer.from(hash).toString("hex")));
        expect(fresh.reduce((sum, { bytes: length }) => sum + length, 0)).toBeLessThan(160 * CHUNK_BLOCK_BYTES);
      }),
      { numRuns: scaled(160) },
    );
  });

  test("zeros are cut as seldom as can be", async () => {
    const zeros = Buffer.alloc(2 * CHUNK_BLOCKS_MAX * CHUNK_BLOCK_BYTES);
    expect(crc32(zeros.subarray(0, CHUNK_BLOCK_BYTES)).toString(16)).toBe("c71c0011");
    expect(await cut(zeros)).toHaveLength(2);
  });

  test("have about 32 KiB", async () => {
    const count = (await cut(blocks(1, 8000))).length;
    expect(count).toBeGreaterThan(800);
    expect(count).toBeLessThan(1200);
  });
});
