import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

test("lets its burst pass at once, then its rate, and says when to come again", () => {
  const bucket = new TokenBucket();
  const take = (seconds: number): number => bucket.take(5, seconds * 1e6);
  const burst = Array.from({ length: 10 }, () => take(100));
  expect(burst).toEqual(Array(10).fill(0));
  expect(take(100)).toBe(1);
  expect([take(100.2), take(100.2)]).toEqual([0, 1]);
  expect(Array.from({ length: 12 }, () => take(1000)).filter((waitS) => waitS === 0)).toHaveLength(10);
});

test("a rate below one a second waits as long as it takes; another burst is another brim", () => {
  const slow = new TokenBucket();
  expect([slow.take(0.1, 1e6), slow.take(0.1, 1e6), slow.take(0.1, 6e6), slow.take(0.1, 11e6)]).toEqual([0, 10, 5, 0]);
  const wide = new TokenBucket(10);
  expect(Array.from({ length: 25 }, () => wide.take(2, 1e6)).filter((waitS) => waitS === 0)).toHaveLength(20);
});

test("time that goes back gives nothing, and a lowered rate empties what is above its brim", () => {
  const bucket = new TokenBucket();
  expect([bucket.take(1, 5e6), bucket.take(1, 5e6), bucket.take(1, 1e6)]).toEqual([0, 0, 1]);
  const lowered = new TokenBucket();
  expect(lowered.take(100, 1e6)).toBe(0);
  expect([1, 2, 3].map(() => lowered.take(1, 1e6))).toEqual([0, 0, 1]);
});
