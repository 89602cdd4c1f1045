import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { testRow } from "../testing/row.ts";
import type { LastAsk } from "./ask.ts";
import { LastValues } from "./last-values.ts";
import { readingOf } from "./reading.ts";
import { LastTiers, type Look, type LowerTier } from "./tiers.ts";

const row = (offset: number, name: string) => testRow({ offset, name, timeUs: offset });
const { gateway, source } = testRow();
const ask = (name: string, logEnd = 10): LastAsk => ({
  filter: { gateway, source: { text: source, isPrefix: false }, name: { text: name, isPrefix: false } },
  after: null,
  limit: 10,
  logEnd,
});

/** One that answers what it is told, and notes whether it was asked. */
class FakeTier implements LowerTier {
  readonly tier;
  readonly waitMs = 1000;
  asked: { name: string; before: number }[] = [];
  readonly #answer: () => Promise<Look>;

  constructor(tier: LowerTier["tier"], answer: () => Promise<Look>) {
    this.tier = tier;
    this.#answer = answer;
  }

  find({ name }: { name: string }, { before }: { before: number }): Promise<Look> {
    this.asked.push({ name, before });
    return this.#answer();
  }

  close(): void {}
}

const clock = new VirtualClock();

/** Memory of one reading, which has lost that of `a`. */
function roomOf(...tiers: FakeTier[]): LastTiers {
  const values = new LastValues(1);
  values.take(0, [row(0, "a")]);
  values.take(1, [row(1, "b")]);
  return new LastTiers({ values, offset: () => 10, tiers, clock });
}

const found = (upTo: number | null): Look => ({ found: { reading: readingOf(row(0, "a")), since: 0, upTo } });

test("the memory answers what it has, and whole it needs nobody to say that there is nothing", async () => {
  const tier = new FakeTier("redis", () => Promise.resolve({}));
  expect(await roomOf(tier).answer(ask("b"))).toMatchObject({ tier: "memory", values: [{ since: 0 }], offset: 10 });
  const values = new LastValues(10);
  let offset: number | undefined = 10;
  const whole = new LastTiers({ values, offset: () => offset, tiers: [tier], clock });
  expect(await whole.answer(ask("a"))).toEqual({ values: [], next: null, offset: 10, isWhole: true, notes: [] });
  expect(tier.asked).toEqual([]);
  // While it is not known how far it is, and while it is far behind, it may lack what others have.
  offset = undefined;
  expect(await whole.answer(ask("a"))).toMatchObject({ offset: null, isWhole: false });
  offset = 10;
  await whole.answer(ask("a", 20_000));
  await whole.answer(ask("n".repeat(2000)));
  expect(tier.asked.map(({ before }) => before)).toEqual([10, 20_000, 10]);
});

test("what gave way is asked from the tiers in their order, and the memory takes it back", async () => {
  const empty = new FakeTier("redis", () => Promise.resolve({ note: "redis: has none" }));
  const lake = new FakeTier("lake", () => Promise.resolve(found(1)));
  const log = new FakeTier("log", () => Promise.resolve(found(1)));
  const room = roomOf(empty, lake, log);
  const answer = { tier: "lake", values: [{ since: 0 }], isWhole: false, notes: ["redis: has none"] };
  expect(await room.answer(ask("a"))).toMatchObject(answer);
  expect([empty.asked, log.asked]).toEqual([[{ name: "a", before: 1 }], []]);
  expect(await room.answer(ask("a"))).toMatchObject({ tier: "memory", notes: [] });
  const unsure = new FakeTier("lake", () => Promise.resolve(found(null)));
  const other = roomOf(unsure);
  await other.answer(ask("a"));
  expect(await other.answer(ask("a"))).toMatchObject({ tier: "lake" });
});

test("a reading of a tier that is behind is told as that, and not taken", async () => {
  const behind = new FakeTier("redis", () => Promise.resolve(found(0)));
  const room = roomOf(behind);
  const answer = { tier: "redis", notes: ["redis: has taken the log up to offset 0; a newer one may stand before 1"] };
  expect(await room.answer(ask("a"))).toMatchObject(answer);
  expect(await room.answer(ask("a"))).toMatchObject(answer);
});

test("a list says what it may lack", async () => {
  const tier = new FakeTier("redis", () => Promise.resolve({}));
  const { filter, ...rest } = ask("a");
  const list = await roomOf(tier).answer({ ...rest, filter: { ...filter, source: undefined } });
  expect(list).toMatchObject({
    values: [],
    isWhole: false,
    notes: [/from offset 0 on, of which 1 readings gave way/u],
  });
  expect(tier.asked).toEqual([]);
});

test("a tier that hangs or fails holds nobody up: it is told, passed over, and left alone for a while", async () => {
  const hanging = new FakeTier("redis", () => new Promise(() => {}));
  const failing = new FakeTier("lake", () => Promise.reject(new Error("no such folder")));
  const log = new FakeTier("log", () => Promise.resolve(found(null)));
  const room = roomOf(hanging, failing, log);
  const first = room.answer(ask("a"));
  clock.advance(1000);
  const notes = ["redis: it did not answer within 1000 ms", "lake: no such folder"];
  expect(await first).toMatchObject({ tier: "log", notes });
  expect(await room.answer(ask("a"))).toMatchObject({ tier: "log", notes });
  expect([hanging.asked.length, failing.asked.length]).toEqual([1, 1]);
  clock.advance(5000);
  const later = room.answer(ask("a"));
  clock.advance(1000);
  await later;
  expect([hanging.asked.length, failing.asked.length]).toEqual([2, 2]);
});

test("no more than a few look beyond the memory at once", async () => {
  const waiting = Promise.withResolvers<Look>();
  const room = roomOf(new FakeTier("log", () => waiting.promise));
  const looks = Array.from({ length: 4 }, () => room.answer(ask("a")));
  expect(await room.answer(ask("a"))).toMatchObject({ isBusy: true, values: [] });
  expect(await room.answer(ask("b"))).toMatchObject({ tier: "memory" });
  waiting.resolve({});
  for (const look of looks) expect(await look).toMatchObject({ values: [] });
  expect((await room.answer(ask("a"))).isBusy).toBeUndefined();
});
