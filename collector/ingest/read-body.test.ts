import { PassThrough } from "node:stream";
import { zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { Admission } from "./admission.ts";
import { BodyBudget } from "./body-budget.ts";
import { decompressZstd, readBody } from "./read-body.ts";

const LIMITS = { maxBytes: 100, idleMs: 1000, totalMs: 3000 };

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

describe("zstd", () => {
  test("is bounded while it grows, and its room is taken beforehand", async () => {
    const budget = new BodyBudget(1000);
    const lease = budget.open();
    expect(await decompressZstd(zstdCompressSync(Buffer.alloc(500)), 600, lease)).toMatchObject({ ok: true });
    expect(await decompressZstd(zstdCompressSync(Buffer.alloc(601)), 600, lease)).toMatchObject({ reason: "busy" });
    lease.close();
    expect(await decompressZstd(zstdCompressSync(Buffer.alloc(601)), 600, budget.open())).toMatchObject({
      reason: "too-large",
    });
  });

  test("with a window larger than any upload is refused", async () => {
    // A frame header (RFC 8878 §3.1.1) that asks for a window of 128 MiB, then an empty last block.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x01, 0x00, 0x00]);
    expect(await decompressZstd(frame, 600, new BodyBudget(1000).open())).toMatchObject({
      ok: false,
      reason: "encoding",
    });
  });
});

describe("admission", () => {
  test("counts uploads per connection and in all, and gives back what leaves", () => {
    const admission = new Admission({ maxUploads: 3, maxUploadsPerConnection: 2, maxBodyBytesInFlight: 100 });
    const [left, right] = [{}, {}];
    const first = admission.enter(left);
    expect(admission.enter(left).ok).toBe(true);
    expect(admission.enter(left)).toMatchObject({ ok: false, status: 429 });
    expect(admission.enter(right).ok).toBe(true);
    expect(admission.enter(right)).toMatchObject({ ok: false, status: 503 });
    if (!first.ok) throw new Error("the first upload was turned away");
    first.lease.grow(100);
    first.leave();
    first.leave();
    expect(admission.budget.usedBytes).toBe(0);
    expect(admission.enter(right).ok).toBe(true);
    expect(admission.uploads).toBe(3);
  });
});
