import { expect, test } from "vitest";
import { BlockTransfers } from "./block-transfers.ts";

/** Blocks of 16 bytes, and of 32 with a szx of 1, into bodies: what becomes of each, and what is kept meanwhile. */

const FIRST = 4096;
const BODY_MAX = 10_000;
const block = (num: number, more: boolean, szx = 0) => ({ num, more, szx }) as const;
const fill = (byte: number, length = 16) => Buffer.alloc(length, byte);
const CONTINUE = { kind: "continue" };

function world(options: Partial<ConstructorParameters<typeof BlockTransfers>[0]> = {}) {
  const transfers = new BlockTransfers({ maxTransfers: 3, maxBytes: 40_000, maxBodyBytes: BODY_MAX, ...options });
  let nowS = 0;
  const take = (key: string, at: ReturnType<typeof block>, payload: Uint8Array, size1 = -1) => {
    const result = transfers.take(key, at, payload, size1, nowS);
    return result.kind === "complete" ? { ...result, body: Buffer.from(result.body) } : result;
  };
  const pass = (seconds: number): void => void (nowS += seconds);
  return { transfers, take, pass };
}

test("blocks in order are a body, also where they become smaller", () => {
  const { transfers, take } = world();
  expect(take("a", block(0, true, 1), fill(1, 32))).toEqual(CONTINUE);
  expect([transfers.size, transfers.bytes]).toEqual([1, FIRST]);
  expect(take("a", block(2, true), fill(2))).toEqual(CONTINUE);
  expect(take("a", block(3, false), fill(3, 5))).toEqual({
    kind: "complete",
    body: Buffer.concat([fill(1, 32), fill(2), fill(3, 5)]),
  });
  transfers.finish("a", 9);
  expect([transfers.size, transfers.bytes]).toEqual([1, 5]);
});

test("a body in one block is whole at once, keeps nothing, and ends what was there", () => {
  const { transfers, take } = world();
  take("a", block(0, true), fill(1));
  for (let time = 0; time < 2; time++)
    expect(take("a", block(0, false), fill(7, 3))).toEqual({ kind: "complete", body: fill(7, 3) });
  expect([transfers.size, transfers.bytes]).toEqual([0, 0]);
});

test("a block has the length that it says; only the last may have less", () => {
  const { take } = world();
  for (const [more, length, bad] of [
    [true, 15, true],
    [true, 17, true],
    [true, 16, false],
    [false, 17, true],
    [false, 16, false],
    [false, 0, false],
  ] as const) {
    expect([more, length, take("a", block(0, more), fill(1, length)).kind === "bad"]).toEqual([more, length, bad]);
  }
  expect(take("a", block(0, true), fill(1, 15))).toMatchObject({ detail: "A block of size 16 has 15 bytes." });
});

test("a block out of turn is missed with what is next", () => {
  const { take } = world();
  expect(take("a", block(1, true), fill(1))).toEqual({
    kind: "missing",
    detail: "The block starts at byte 16; byte 0 is next.",
  });
  take("a", block(0, true), fill(1));
  expect(take("a", block(2, true), fill(1))).toEqual({
    kind: "missing",
    detail: "The block starts at byte 32; byte 16 is next.",
  });
  expect(take("a", block(1, false), fill(2))).toMatchObject({ kind: "complete" });
  expect(take("a", block(2, false), fill(3))).toEqual({
    kind: "missing",
    detail: "The block starts at byte 32; byte 0 is next.",
  });
});

test("the same block again is taken once, other bytes in its place are not", () => {
  const { transfers, take } = world();
  take("a", block(0, true), fill(1));
  take("a", block(1, true), fill(2));
  expect(take("a", block(1, true), fill(2))).toEqual(CONTINUE);
  expect(take("a", block(1, true), fill(9))).toMatchObject({ kind: "missing" });
  expect(take("a", block(1, false), fill(2))).toMatchObject({ kind: "missing" });
  expect(take("a", block(0, true), fill(1))).toEqual(CONTINUE);
  expect(take("a", block(2, false), fill(3))).toEqual({
    kind: "complete",
    body: Buffer.concat([fill(1), fill(2), fill(3)]),
  });
  transfers.finish("a", 5);
  expect(take("a", block(2, false), fill(3))).toEqual({ kind: "repeated", ticket: 5 });
  expect(take("a", block(2, false), fill(4))).toMatchObject({ kind: "missing" });
  expect(take("a", block(2, true), fill(3))).toMatchObject({ kind: "missing" });
  expect(take("a", block(1, false), fill(3))).toMatchObject({ kind: "missing" });
  expect(take("a", block(0, true), fill(8))).toEqual(CONTINUE);
  expect(take("a", block(1, false), fill(8))).toMatchObject({ kind: "complete", body: fill(8, 32) });
});

test("a body of the greatest size fits, by its blocks and by what it announces; a larger one ends", () => {
  const { transfers, take } = world({ maxBodyBytes: 40 });
  expect(take("a", block(0, true), fill(1), 40)).toEqual(CONTINUE);
  expect(transfers.bytes).toBe(40);
  take("a", block(1, true), fill(1));
  expect(take("a", block(2, false), fill(1, 9))).toEqual({ kind: "too-large" });
  expect([transfers.size, transfers.bytes]).toEqual([0, 0]);
  for (let num = 0; num < 2; num++) take("a", block(num, true), fill(1));
  expect(take("a", block(2, false), fill(1, 8))).toMatchObject({ kind: "complete", body: fill(1, 40) });
  expect(take("a", block(0, true), fill(1), 41)).toEqual({ kind: "too-large" });
  expect(take("a", block(0, false), fill(1), 41)).toEqual({ kind: "too-large" });
});

test("a buffer is as large as announced, at least a few KiB, and doubles", () => {
  const { transfers, take } = world();
  take("a", block(0, true), fill(1), 5000);
  expect(transfers.bytes).toBe(5000);
  take("b", block(0, true, 6), fill(1, 1024));
  for (let num = 1; num < 4; num++) take("b", block(num, true, 6), fill(num, 1024));
  expect(transfers.bytes).toBe(5000 + FIRST);
  take("b", block(4, true, 6), fill(4, 1024));
  expect(transfers.bytes).toBe(5000 + 2 * FIRST);
  for (let num = 5; num < 9; num++) take("b", block(num, true, 6), fill(num, 1024));
  expect(transfers.bytes).toBe(5000 + BODY_MAX);
  const whole = take("b", block(9, false, 6), fill(9, 100));
  expect(
    whole.kind === "complete" && [whole.body.length, whole.body[1023], whole.body[1024], whole.body.at(-1)],
  ).toEqual([9316, 1, 1, 9]);
});

test("of too many the one that was idle longest gives way, and of too many bytes so many as it takes", () => {
  const { transfers, take } = world();
  for (const key of ["a", "b", "c"]) take(key, block(0, true), fill(1));
  take("a", block(1, true), fill(2));
  take("d", block(0, true), fill(1));
  expect(transfers.size).toBe(3);
  expect(take("b", block(1, false), fill(2))).toMatchObject({ kind: "missing" });
  expect(take("a", block(2, false), fill(2))).toMatchObject({ kind: "complete" });
  take("d", block(0, true), fill(5));
  expect(transfers.size).toBe(3);

  const tight = world({ maxTransfers: 9, maxBytes: 3 * FIRST, maxBodyBytes: 6000 });
  for (const key of ["a", "b", "c"]) tight.take(key, block(0, true), fill(1));
  expect([tight.transfers.size, tight.transfers.bytes]).toEqual([3, 3 * FIRST]);
  tight.take("d", block(0, true), fill(1), 5000);
  expect([tight.transfers.size, tight.transfers.bytes]).toEqual([2, FIRST + 5000]);
  expect(tight.take("c", block(1, false), fill(2))).toMatchObject({ kind: "complete" });
  // Two of the largest bodies fit whatever is configured.
  const least = world({ maxBytes: 1, maxBodyBytes: 6000 });
  for (const key of ["a", "b", "c"]) least.take(key, block(0, true), fill(1), 6000);
  expect(least.transfers.bytes).toBe(12_000);
});

test("what was left alone for as long as an exchange lasts is gone, and nothing younger", () => {
  const { transfers, take, pass } = world({ lifetimeS: 10 });
  take("a", block(0, true), fill(1));
  pass(4);
  take("b", block(0, true), fill(1));
  pass(6);
  take("x", block(0, false), fill(1));
  expect(transfers.size).toBe(2);
  take("b", block(1, true), fill(1));
  pass(1);
  take("x", block(0, false), fill(1));
  expect([transfers.size, transfers.bytes]).toEqual([1, FIRST]);
  pass(9);
  take("x", block(0, false), fill(1));
  expect(transfers.size).toBe(1);
  const usual = world();
  usual.take("a", block(0, true), fill(1));
  usual.pass(247);
  usual.take("x", block(0, false), fill(1));
  expect(usual.transfers.size).toBe(1);
  usual.pass(1);
  usual.take("x", block(0, false), fill(1));
  expect(usual.transfers.size).toBe(0);
});

test("a body that was not taken now may have its last block again; one that was not stored starts over", () => {
  const { transfers, take } = world();
  take("a", block(0, true), fill(1));
  const last = () => take("a", block(1, false), fill(2, 3));
  expect(last()).toMatchObject({ kind: "complete" });
  transfers.keepLast("a");
  expect(last()).toEqual({ kind: "complete", body: Buffer.concat([fill(1), fill(2, 3)]) });
  transfers.finish("a", 0);
  transfers.keepLast("a");
  expect(last()).toEqual({ kind: "repeated", ticket: 0 });
  transfers.abandon("a", 1);
  expect(transfers.size).toBe(1);
  transfers.abandon("a", 0);
  expect([transfers.size, transfers.bytes]).toEqual([0, 0]);
  for (const act of [() => transfers.finish("z", 1), () => transfers.keepLast("z"), () => transfers.drop("z")]) act();
  expect([transfers.size, transfers.bytes]).toEqual([0, 0]);
});
