import { describe, expect, test } from "vitest";
import { fc } from "@paddock/wire/testing/fast-check.ts";
import { channelKey, isNewer } from "../newest.ts";
import type { Row } from "../row.ts";
import { testRow } from "../testing/row.ts";
import { isTooLong, LastValues, type LastFilter } from "./last-values.ts";
import { readingOf } from "./reading.ts";

const exactly = (text: string) => ({ text, isPrefix: false });
const beginning = (text: string) => ({ text, isPrefix: true });

/** Rows of few channels with few times, in the order of the log. */
const rowsOf = (max: number) =>
  fc
    .array(fc.record({ name: fc.constantFrom("a", "b", "c", "d"), timeUs: fc.nat({ max: 20 }), text: fc.boolean() }), {
      maxLength: max,
      size: "max",
    })
    .map((all) =>
      all.map(({ name, timeUs, text }, offset) =>
        testRow({ offset, name, timeUs, ...(text ? { number: null, text: "x".repeat(300) } : { number: offset }) }),
      ),
    );

function newestAmong(rows: readonly Row[]): Map<string, Row> {
  const newest = new Map<string, Row>();
  for (const one of rows) {
    const known = newest.get(one.name);
    if (known === undefined || isNewer(one, known)) newest.set(one.name, one);
  }
  return newest;
}

const row = (offset: number, name: string) => testRow({ offset, name, timeUs: offset });
const allOf = (values: LastValues) => values.list({}, null, 1000).values;

describe("the newest readings in memory", () => {
  test("are the same whatever the order of arrival and the size of the pieces, and twice the same rows change nothing", () => {
    fc.assert(
      fc.property(
        rowsOf(40).chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length }))),
        fc.integer({ min: 1, max: 7 }),
        ([rows, shuffled], size) => {
          const values = new LastValues(100);
          for (let at = 0; at < shuffled.length; at += size) values.take(0, shuffled.slice(at, at + size));
          const expected = [...newestAmong(rows).values()].map((one) => ({ reading: readingOf(one), since: 0 }));
          const byName = expected.toSorted((one, other) => (one.reading.name < other.reading.name ? -1 : 1));
          expect(allOf(values)).toEqual(byName);
          const before = [values.bytes, values.state, [...values.entries()]];
          values.take(0, rows);
          expect([values.bytes, values.state, [...values.entries()]]).toEqual(before);
        },
      ),
    );
  });

  test("are never more than they may be, and each says from where on it is the newest", () => {
    fc.assert(
      fc.property(rowsOf(60), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 7 }), (rows, most, size) => {
        const values = new LastValues(most);
        for (let from = 0; from < rows.length; from += size) {
          values.take(from, rows.slice(from, from + size));
          expect(values.size).toBeLessThanOrEqual(most);
          expect(values.bytes).toBeLessThanOrEqual(most * 1024);
          const seen = rows.slice(0, from + size);
          for (const { reading, since } of allOf(values)) {
            expect(reading).toEqual(readingOf(newestAmong(seen.slice(since ?? 0)).get(reading.name)!));
          }
          if (values.isWhole) expect(values.size).toBe(newestAmong(seen).size);
        }
      }),
    );
  });

  test("give way in the order in which they were taken, and what did is counted", () => {
    const values = new LastValues(2);
    values.take(0, [row(0, "a"), row(1, "b")]);
    values.take(2, [row(2, "a"), row(3, "c")]);
    expect(allOf(values).map(({ reading }) => reading.name)).toEqual(["a", "c"]);
    expect(values.state).toEqual({ since: 0, evictions: 1, evictedTo: 2 });
    values.take(4, [row(4, "b")]);
    expect(values.get(row(4, "b"))).toMatchObject({ since: 4 });
    expect(values.get(row(3, "c"))).toMatchObject({ since: 0 });
    values.clear(7);
    expect([values.size, values.bytes, values.isWhole]).toEqual([0, 0, false]);
  });

  test("take from another tier what they lost, unless that tier may not know the newest", () => {
    const values = new LastValues(1);
    values.take(0, [row(0, "a")]);
    values.take(1, [row(1, "b")]);
    const lost = readingOf(row(0, "a"));
    expect(values.fill(lost, 0)).toBe(false);
    expect(values.fill(readingOf(row(1, "b")), 5)).toBe(false);
    expect(values.fill(readingOf(row(0, "x".repeat(1100))), 5)).toBe(false);
    expect(values.fill(lost, 2)).toBe(true);
    expect(allOf(values)).toEqual([{ reading: lost, since: 0 }]);
  });

  test("come back as they were", () => {
    fc.assert(
      fc.property(rowsOf(30), fc.integer({ min: 1, max: 5 }), (rows, most) => {
        const values = new LastValues(most);
        for (const [from, one] of rows.entries()) values.take(from, [one]);
        const again = new LastValues(most);
        again.restore(values.state, values.entries());
        expect([again.state, again.bytes, [...again.entries()]]).toEqual([
          values.state,
          values.bytes,
          [...values.entries()],
        ]);
      }),
    );
  });

  test("hold nothing of the buffer of a batch", () => {
    const values = new LastValues(10);
    const batch = Buffer.alloc(1 << 20, 7);
    values.take(0, [testRow({ number: null, data: batch.subarray(3, 6) })]);
    expect(allOf(values)[0]!.reading.value).toBe("BwcH");
  });
});

describe("what is meant", () => {
  const channels = [
    ["07", "barn", "a"],
    ["07", "barn", "a:b"],
    ["07", "barn:a", "b"],
    ["07", "barn:a", "c"],
    ["08", "barn", "a"],
    ["08", "mote", "a"],
  ] as const;
  const values = new LastValues(100);
  values.take(
    0,
    channels.map(([gateway, source, name], offset) => testRow({ offset, gateway: gateway.repeat(32), source, name })),
  );
  const list = (filter: LastFilter, limit = 100): string[] => {
    const found: string[] = [];
    for (let after: string | null = null; ;) {
      const page = values.list(filter, after, limit);
      found.push(...page.values.map(({ reading: { gateway, source, name } }) => `${gateway[1]} ${source} ${name}`));
      if (page.next === null) return found;
      expect(page.values).toHaveLength(limit);
      after = page.next;
    }
  };

  test.each<[string, LastFilter, number]>([
    ["all", {}, 6],
    ["a gateway", { gateway: "08".repeat(32) }, 2],
    ["a sensor of it, and no other that begins so", { gateway: "07".repeat(32), source: exactly("barn") }, 2],
    ["sensors that begin so", { gateway: "07".repeat(32), source: beginning("barn") }, 4],
    ["with a colon in it", { gateway: "07".repeat(32), source: beginning("barn:") }, 2],
    ["one name", { gateway: "07".repeat(32), source: exactly("barn:a"), name: exactly("b") }, 1],
    ["names that begin so", { gateway: "07".repeat(32), source: exactly("barn"), name: beginning("a") }, 2],
    ["a name of any", { name: exactly("a") }, 3],
    ["a sensor of any gateway", { source: exactly("barn") }, 3],
    ["none", { gateway: "09".repeat(32) }, 0],
  ])("%s", (_, filter, count) => {
    const all = list(filter);
    expect(all).toHaveLength(count);
    for (const limit of [1, 2, 3, 4]) expect(list(filter, limit)).toEqual(all);
  });

  test("a channel without end is not taken", () => {
    expect(isTooLong({ source: "s".repeat(64), name: "n".repeat(960) })).toBe(false);
    expect(isTooLong({ source: "s".repeat(64), name: "n".repeat(961) })).toBe(true);
  });

  test("every channel is found by its own filter alone", () => {
    const text = fc.string({ unit: fc.constantFrom("a", ":", "%", "3", "A"), minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 30, size: "max" }), text, text, (pairs, source, name) => {
        const some = new LastValues(1000);
        const rows = pairs.map(([from, of], offset) => testRow({ offset, source: from, name: of }));
        some.take(0, rows);
        const { gateway } = testRow();
        const found = some.list({ gateway, source: exactly(source), name: exactly(name) }, null, 10).values;
        const isThere = rows.some((one) => one.source === source && one.name === name);
        expect(found.map(({ reading }) => channelKey(reading))).toEqual(
          isThere ? [channelKey({ gateway, source, name })] : [],
        );
        const begins = some.list({ source: beginning(source), name: beginning(name) }, null, 1000).values;
        const expected = new Set(
          rows.filter((one) => one.source.startsWith(source) && one.name.startsWith(name)).map(channelKey),
        );
        expect(new Set(begins.map(({ reading }) => channelKey(reading)))).toEqual(expected);
      }),
    );
  });
});
