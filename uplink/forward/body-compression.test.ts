import { randomBytes } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { BodyCompression } from "./body-compression.ts";

/** Like frames of a sensor: much the same, with some bytes of its own in each. */
function bodyOf(bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 100) randomBytes(Math.min(8, bytes - at)).copy(body, at);
  return body;
}

/** Below and above the size up to which the main thread does it. */
test.each([512, 32 * 1024, 32 * 1024 + 1, 1 << 20])("a body of %i bytes comes back as it was", async (bytes) => {
  const body = bodyOf(bytes);
  const packed = await new BodyCompression().pack(1, body);
  expect(packed.encoding).toBe("zstd");
  expect(packed.body.length).toBeLessThan(bytes / 2);
  expect(zstdDecompressSync(packed.body).equals(body)).toBe(true);
});

test("a body that is small, or does not get smaller, goes as it is", async () => {
  const compression = new BodyCompression();
  const small = bodyOf(511);
  expect(await compression.pack(1, small)).toEqual({ body: small, encoding: undefined });
  for (const bytes of [20_000, 100_000]) {
    const random = randomBytes(bytes);
    expect(await compression.pack(1, random)).toEqual({ body: random, encoding: undefined });
  }
});

test("a lane that did not compress is tried again after a while, and another at once", async () => {
  const compression = new BodyCompression();
  await compression.pack(1, randomBytes(1000));
  const encodings: unknown[] = [];
  for (let request = 0; request < 17; request++) encodings.push((await compression.pack(1, bodyOf(1000))).encoding);
  expect(encodings.indexOf("zstd")).toBe(15);
  expect(encodings[16]).toBe("zstd");
  await compression.pack(1, randomBytes(1000));
  expect((await compression.pack(2, bodyOf(1000))).encoding).toBe("zstd");
});
