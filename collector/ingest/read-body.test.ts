import { randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { Admission } from "./admission.ts";
import { BodyBudget } from "./body-budget.ts";
import { decompressZstd, readBody } from "./read-body.ts";

const LIMITS = { maxBytes: 100, idleMs: 1000, totalMs: 3000, bytesPerS: 0 };

function setUp(budgetBytes = 1000) {
  const source = new PassThrough();
  const clock = new VirtualClock();
  const budget = new BodyBudget(budgetBytes);
  return { source, clock, budget, body: readBody(source, LIMITS, budget.open(), clock) };
}

/** Lets the stream hand over what was written. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe("a body", () => {
  test("is collected", async () => {
    const { source, body, budget } = setUp();
    source.write("hello ");
    source.end("there");
    expect(await body).toEqual({ ok: true, value: Buffer.from("hello there") });
    expect(budget.usedBytes).toBe(11);
  });

  test("that is too large is left", async () => {
    const { source, body } = setUp();
    source.write(Buffer.alloc(101));
    expect(await body).toMatchObject({ reason: "too-large" });
    expect(source.isPaused()).toBe(true);
  });

  test("that does not fit the shared budget is left", async () => {
    const { source, body, budget } = setUp(10);
    source.write(Buffer.alloc(11));
    expect(await body).toMatchObject({ reason: "busy" });
    expect(budget.usedBytes).toBe(0);
  });

  test("that stops coming is given up", async () => {
    const { source, body, clock } = setUp();
    clock.advance(999);
    source.write("x");
    await turn();
    clock.advance(1000);
    expect(await body).toMatchObject({ reason: "timeout", detail: expect.stringContaining("1 bytes") });
  });

  test("that drips is given up after its time in all", async () => {
    const { source, body, clock } = setUp();
    for (let ms = 0; ms < 3000; ms += 500) {
      source.write("x");
      await turn();
      clock.advance(500);
    }
    expect(await body).toMatchObject({ reason: "timeout" });
  });

  test("whose sender goes away is told so", async () => {
    const { source, body } = setUp();
    source.write("x");
    await turn();
    source.destroy();
    expect(await body).toMatchObject({ reason: "aborted" });
  });
});

test("a body that is slower than it may be is given up, also when it never stops", async () => {
  const { source, clock, budget } = setUp();
  const body = readBody(source, { ...LIMITS, totalMs: 60_000, bytesPerS: 10 }, budget.open(), clock);
  source.write("0123456789");
  await turn();
  for (let ms = 0; ms < 1000; ms += 200) {
    source.write("x");
    await turn();
    clock.advance(200);
  }
  expect(await body).toMatchObject({ reason: "timeout", detail: expect.stringContaining("15 bytes") });
});

const packed = (bytes: Uint8Array, params: Record<number, number> = {}) => zstdCompressSync(bytes, { params });
const withoutSize = (bytes: Uint8Array) => packed(bytes, { [constants.ZSTD_c_contentSizeFlag]: 0 });
const unpack = (body: Buffer, maxBytes = 100_000) => decompressZstd(body, maxBytes, new BodyBudget(200_000).open());

describe("zstd", () => {
  const [one, two] = [randomBytes(300), Buffer.alloc(40_000, 7)];
  const skippable = Buffer.concat([Buffer.from("5e2a4d1803000000", "hex"), Buffer.from("abc")]);
  const both = Buffer.concat([one, two]);

  test.each<[string, Buffer, Buffer]>([
    ["one frame", packed(both), both],
    ["one frame that does not state its size", withoutSize(both), both],
    ["several frames", Buffer.concat([packed(one), withoutSize(two)]), both],
    ["an empty frame in front", Buffer.concat([packed(Buffer.alloc(0)), packed(both)]), both],
    ["an empty frame behind", Buffer.concat([packed(both), packed(Buffer.alloc(0))]), both],
    ["a skippable frame in front", Buffer.concat([skippable, packed(both)]), both],
    ["skippable frames between and behind", Buffer.concat([packed(one), skippable, packed(two), skippable]), both],
    ["a checksum", packed(both, { [constants.ZSTD_c_checksumFlag]: 1 }), both],
    [
      "a checksum and no size",
      packed(both, { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_contentSizeFlag]: 0 }),
      both,
    ],
    ["a window of 2^23", packed(both, { [constants.ZSTD_c_windowLog]: 23 }), both],
    ["nothing but a skippable frame", skippable, Buffer.alloc(0)],
  ])("with %s is taken whole", async (_name, body, content) => {
    expect(await unpack(body)).toEqual({ ok: true, value: content });
  });

  test("that is cut anywhere is refused, but where a frame ends", async () => {
    const first = packed(one, { [constants.ZSTD_c_checksumFlag]: 1 });
    const whole = Buffer.concat([skippable, first, packed(Buffer.alloc(300, 1))]);
    const ends = new Set([0, skippable.length, skippable.length + first.length]);
    for (let length = 0; length < whole.length; length++) {
      const outcome = await unpack(whole.subarray(0, length));
      expect({ length, ok: outcome.ok }).toEqual({ length, ok: ends.has(length) });
    }
  });

  test("with a wrong checksum, a dictionary, a reserved bit or block, or something behind it, is refused", async () => {
    const summed = packed(both, { [constants.ZSTD_c_checksumFlag]: 1 });
    const altered = Buffer.from(summed);
    altered[altered.length - 1]! ^= 1;
    const head = Buffer.from("28b52ffd", "hex");
    for (const body of [
      altered,
      Buffer.concat([packed(both), Buffer.from("more")]),
      Buffer.concat([head, Buffer.from([0x01, 0x00, 0x05, 0x01, 0x00, 0x00])]),
      Buffer.concat([head, Buffer.from([0x08, 0x00, 0x01, 0x00, 0x00])]),
      Buffer.concat([head, Buffer.from([0x00, 0x00, 0x07, 0x00, 0x00])]),
      gzipSync(both),
    ]) {
      expect(await unpack(body)).toMatchObject({ ok: false, reason: "encoding" });
    }
  });

  test.each([24, 27, 28])("with a window of 2^%i is refused", async (windowLog) => {
    // A frame header (RFC 8878 §3.1.1) that asks for the window, then an empty last block.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3, 0x01, 0x00, 0x00]);
    expect(await unpack(frame)).toMatchObject({ reason: "encoding", detail: expect.stringContaining("window") });
  });

  test("takes room for what it holds, not for the largest upload, and is bounded", async () => {
    const budget = new BodyBudget(1000);
    const lease = budget.open();
    expect(await decompressZstd(packed(Buffer.alloc(500)), 600, lease)).toMatchObject({ ok: true });
    expect(budget.usedBytes).toBe(500);
    expect(await decompressZstd(packed(Buffer.alloc(501)), 600, lease)).toMatchObject({ reason: "busy" });
    lease.close();
    for (const body of [packed(Buffer.alloc(601)), withoutSize(Buffer.alloc(601))]) {
      expect(await decompressZstd(body, 600, budget.open())).toMatchObject({ reason: "too-large" });
    }
  });

  test("is not made of any number of frames", async () => {
    const empty = packed(Buffer.alloc(0));
    expect(await unpack(Buffer.concat(Array.from({ length: 65 }, () => empty)))).toMatchObject({ reason: "encoding" });
  });
});

describe("admission", () => {
  test("counts uploads per gateway and in all, and gives back what leaves", () => {
    const admission = new Admission({ maxUploads: 3, maxUploadsPerGateway: 2, maxBodyBytesInFlight: 100 });
    const first = admission.enter("left");
    expect(admission.enter("left").ok).toBe(true);
    expect(admission.enter("left")).toMatchObject({ ok: false, status: 429 });
    expect(admission.enter("right").ok).toBe(true);
    expect(admission.enter("right")).toMatchObject({ ok: false, status: 503 });
    if (!first.ok) throw new Error("the first upload was turned away");
    expect(first.lease.grow(25)).toBe(true);
    first.leave();
    first.leave();
    expect(admission.budget.usedBytes).toBe(0);
    expect(admission.enter("right").ok).toBe(true);
    expect(admission.uploads).toBe(3);
  });

  test("lets no gateway hold more than its part of the bytes", () => {
    const admission = new Admission({ maxUploads: 9, maxUploadsPerGateway: 9, maxBodyBytesInFlight: 100 });
    const enter = (gateway: string) => {
      const admitted = admission.enter(gateway);
      if (!admitted.ok) throw new Error("turned away");
      return admitted;
    };
    const [one, two, other] = [enter("left"), enter("left"), enter("right")];
    expect([one.lease.grow(20), two.lease.grow(6), two.lease.grow(5), other.lease.grow(25)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
    one.leave();
    expect([two.lease.grow(20), admission.budget.usedBytes]).toEqual([true, 50]);
  });
});
