import { expect, test } from "vitest";
import { OpenBatch } from "./open-batch.ts";
import { SPARE_BATCHES_MAX, SpareBatches } from "./spare-batches.ts";

test("what is given back is handed out again, as many as are kept, and then new ones", () => {
  const spare = new SpareBatches();
  const given = Array.from({ length: SPARE_BATCHES_MAX + 1 }, () => new OpenBatch());
  for (const batch of given) spare.giveBack(batch);
  const taken = given.map(() => spare.take());
  expect(new Set(taken).size).toBe(taken.length);
  expect(given.map((batch) => taken.includes(batch))).toEqual([...given.slice(1).map(() => true), false]);
});
