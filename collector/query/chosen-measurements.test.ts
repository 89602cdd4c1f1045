import { expect, test } from "vitest";
import { chosenMeasurements } from "./chosen-measurements.ts";

const lakeOf = (...names: string[]) => new Map(names.map((name) => [name, {}]));

test("of very many measurements some are chosen, and any that is named; never what is called like the whole lake", () => {
  const many = Array.from({ length: 300 }, (_, at) => `m${1000 + at}`);
  expect(chosenMeasurements(lakeOf("readings", ...many), [])).toEqual(many.slice(0, 256));
  expect(chosenMeasurements(lakeOf("readings", ...many), ["m1299", "readings", "none"])).toEqual([
    "m1299",
    ...many.slice(0, 256),
  ]);
});

test("what is named and among the first is chosen once", () => {
  expect(chosenMeasurements(lakeOf("a", "b"), ["b"]).toSorted()).toEqual(["a", "b"]);
});
