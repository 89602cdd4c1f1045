import { expect, test } from "vitest";
import { statementsOf } from "./statements.ts";

test("at most a thousand tuples in each, none lost, none twice", () => {
  const tuples = Array.from({ length: 2001 }, (_, index) => `(${index})`);
  const made = [...statementsOf("I ", tuples, 1e6, " T")];
  expect(made.map((text) => text.split(",").length)).toEqual([1000, 1000, 1]);
  expect(made.every((text) => text.startsWith("I (") && text.endsWith(") T"))).toBe(true);
  expect(made.flatMap((text) => text.slice(2, -2).split(","))).toEqual(tuples);
});

test("no more bytes than the server takes, counted in UTF-8; a single tuple goes alone", () => {
  const cows = Array.from({ length: 9 }, () => `('${"🐄".repeat(10)}')`);
  const made = [...statementsOf("INSERT ", cows, 110)];
  expect(made).toHaveLength(5);
  for (const text of made) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(110);
  expect([...statementsOf("INSERT ", cows, 1)]).toHaveLength(9);
});

test("none where there is nothing", () => {
  expect([...statementsOf("INSERT ", [], 100)]).toEqual([]);
});
