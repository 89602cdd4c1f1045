import { beforeEach, expect, test } from "vitest";
import { VirtualClock } from "./clock.ts";
import { PaddockError } from "./errors.ts";
import { bindPatiently } from "./patient-bind.ts";

const failure = (code: string) =>
  new PaddockError("LISTEN_FAILED", `bind ${code}`, { cause: Object.assign(new Error(code), { code }) });

let clock: VirtualClock;
let told: [event: string, fields: unknown][];
let tries = 0;
beforeEach(() => {
  clock = new VirtualClock();
  told = [];
  tries = 0;
});

/** Binds by what each try comes to, the last one again and again; time goes on as it waits. */
async function bind(...ends: (PaddockError | "bound")[]): Promise<unknown> {
  const log = { warn: (event: string, fields: unknown) => void told.push([event, fields]) };
  const attempt = async () => {
    const end = ends[Math.min(tries++, ends.length - 1)]!;
    if (end === "bound") return end;
    throw end;
  };
  const end = { is: false };
  const bound = bindPatiently(attempt, { address: "2001:db8::1", clock, log }).finally(() => (end.is = true));
  bound.catch(() => {});
  while (!end.is) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!end.is) clock.advance(50);
  }
  return bound;
}

test("an address that is here is bound at once, and nobody hears of it", async () => {
  expect(await bind("bound")).toBe("bound");
  expect([tries, told, clock.monotonicUs()]).toEqual([1, [], 0]);
});

test("one that comes later is waited for, and that is said once", async () => {
  const absent = failure("EADDRNOTAVAIL");
  expect(await bind(absent, absent, absent, "bound")).toBe("bound");
  expect(told).toEqual([["address-not-here-yet", { address: "2001:db8::1", waitsMs: 20_000 }]]);
  expect(clock.monotonicUs() / 1000).toBeLessThan(2000);
});

test("one that never comes fails as it did, after 20 s", async () => {
  const absent = failure("EADDRNOTAVAIL");
  await expect(bind(absent)).rejects.toBe(absent);
  expect(clock.monotonicUs() / 1000).toBeGreaterThanOrEqual(20_000);
  expect(clock.monotonicUs() / 1000).toBeLessThan(21_000);
});

test("what waiting does not mend fails at once, also behind an address that had to come", async () => {
  const taken = failure("EADDRINUSE");
  await expect(bind(taken)).rejects.toBe(taken);
  expect([tries, told]).toEqual([1, []]);
  await expect(bind(failure("EADDRNOTAVAIL"), taken)).rejects.toBe(taken);
});
