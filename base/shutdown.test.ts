import { expect, test } from "vitest";
import { Shutdown } from "./shutdown.ts";

function opened() {
  const closed: string[] = [];
  const closing = new Shutdown();
  for (const name of ["store", "socket", "server"]) {
    closing.add(async () => {
      closed.push(name);
      if (name !== "store") throw new Error(`${name} does not close`);
    });
  }
  return { closing, closed };
}

test("every step is tried, in reverse order and once; the first failure is thrown at the end", async () => {
  const { closing, closed } = opened();
  await expect(closing.run()).rejects.toThrow("server does not close");
  await expect(closing.run()).rejects.toThrow("server does not close");
  expect(closed).toEqual(["server", "socket", "store"]);
});

test("after a failed start the failures of closing are told, not thrown", async () => {
  const { closing, closed } = opened();
  const told: string[] = [];
  await closing.abandon((error) => told.push((error as Error).message));
  expect(closed).toEqual(["server", "socket", "store"]);
  expect(told).toEqual(["server does not close", "socket does not close"]);
});

test("what a start in the background still opens is closed at once", async () => {
  const { closing, closed } = opened();
  await closing.abandon(() => {});
  closing.add(() => void closed.push("late"));
  await Promise.resolve();
  expect(closed.at(-1)).toBe("late");
});
