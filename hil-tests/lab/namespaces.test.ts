import { expect, test } from "vitest";
import { tryAll } from "./namespaces.ts";

function failing(): void {
  throw new Error("no such namespace");
}

test("a step of the clean-up that fails stops none of the others, and is told", () => {
  const done: string[] = [];
  expect(() => tryAll([() => done.push("a"), failing, () => done.push("b")])).toThrow(/could not clean up: .*no such/);
  expect(done).toEqual(["a", "b"]);
});

test("a clean-up in which nothing fails says nothing", () => {
  expect(() => tryAll([])).not.toThrow();
});
