import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { intersect, isNormal, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import type { ChainSummary } from "@paddock/store/types.ts";
import { testIdentity } from "@paddock/store/testing/sealer.ts";
import { openReceipt } from "@paddock/wire/receipt.ts";
import { receiptRanges, Receipts } from "./receipts.ts";

const ranges: fc.Arbitrary<Ranges> = fc
  .array(fc.tuple(fc.nat(200), fc.nat(3)), { maxLength: 30, size: "max" })
  .map((pairs) =>
    union(
      [],
      pairs.map(([first, more]): [number, number] => [first, first + more]),
    ),
  );

describe("the ranges of a receipt", () => {
  test("are a bounded part of what is held that names all of what just came", () => {
    fc.assert(
      fc.property(ranges, fc.nat(240), fc.integer({ min: 1, max: 8 }), (held, seq, max) => {
        const received = intersect([[seq, seq + 2]], held);
        const { held: named } = receiptRanges(held, [], received, max);
        expect(named.length).toBeLessThanOrEqual(max);
        expect(isNormal(named)).toBe(true);
        expect(subtract(named, held)).toEqual([]);
        if (max >= received.length) expect(subtract(received, named)).toEqual([]);
        if (held.length <= max) expect(named).toEqual(held);
      }),
    );
  });

  test("say of all that they name whether it is bare, and name all of what just came", () => {
    const shapes = fc.record({
      held: ranges,
      bareOf: ranges,
      seq: fc.nat(240),
      max: fc.integer({ min: 3, max: 8 }),
    });
    fc.assert(
      fc.property(shapes, ({ held, bareOf, seq, max }) => {
        const bare = intersect(bareOf, held);
        const received = intersect([[seq, seq + 2]], held);
        const named = receiptRanges(held, bare, received, max);
        expect(named.held.length).toBeLessThanOrEqual(max);
        expect(named.bare.length).toBeLessThanOrEqual(max);
        expect(subtract(named.held, held)).toEqual([]);
        expect(named.bare).toEqual(intersect(bare, named.held));
        expect(subtract(received, named.held)).toEqual([]);
        if (held.length <= max && bare.length <= max) expect(named.held).toEqual(held);
      }),
      { numRuns: 1000 },
    );
  });
});

const summary = (held: Ranges, linked: number, evicted: Ranges = []) =>
  ({
    held,
    trimmed: [],
    evicted,
    linked,
    linkedHead: linked === 0 ? undefined : Buffer.alloc(32, linked),
  }) as unknown as ChainSummary;

describe("receipts", () => {
  const identity = testIdentity(3);
  const chain = { gateway: Buffer.alloc(32, 1), lane: 1, epoch: 0 } as const;
  test("are signed anew only when the chain changed", () => {
    const clock = new VirtualClock();
    const receipts = new Receipts(identity, clock);
    const first = receipts.current(chain, summary([[0, 4]], 5));
    clock.advance(1000);
    expect(receipts.current(chain, summary([[0, 4]], 5))).toBe(first);
    const next = receipts.current(chain, summary([[0, 5]], 6));
    expect(expectAccepted(openReceipt(next, identity.publicKey))).toMatchObject({
      linked: 6,
      received: clock.wallMs(),
    });
  });

  test("of a chain that nothing is known of say that nothing is held, and so do those of one rolled back to nothing", () => {
    const receipts = new Receipts(identity, new VirtualClock());
    const nothing = { held: [], bare: [], linked: 0, head: null };
    const unknown = receipts.current(chain, undefined);
    expect(expectAccepted(openReceipt(unknown, identity.publicKey))).toMatchObject(nothing);
    const emptied = receipts.current({ ...chain, lane: 2 }, summary([], 0));
    expect(expectAccepted(openReceipt(emptied, identity.publicKey))).toMatchObject(nothing);
  });

  test("name what was trimmed as held, and the header that the chain is linked up to", () => {
    const receipts = new Receipts(identity, new VirtualClock());
    const trimmed = {
      ...summary(
        [
          [3, 5],
          [8, 8],
        ],
        6,
      ),
      trimmed: [[0, 2]],
    } as ChainSummary;
    expect(expectAccepted(openReceipt(receipts.current(chain, trimmed), identity.publicKey))).toMatchObject({
      gateway: chain.gateway,
      held: [
        [0, 5],
        [8, 8],
      ],
      linked: 6,
      head: Buffer.alloc(32, 6),
    });
  });

  test("are signed anew when a payload came that was missing", () => {
    const receipts = new Receipts(identity, new VirtualClock());
    const bare = receipts.current(chain, summary([[0, 4]], 5, [[2, 2]]));
    const whole = receipts.current(chain, summary([[0, 4]], 5));
    expect(expectAccepted(openReceipt(bare, identity.publicKey)).bare).toEqual([[2, 2]]);
    expect(expectAccepted(openReceipt(whole, identity.publicKey)).bare).toEqual([]);
  });

  test("of one chain are not those of another", () => {
    const receipts = new Receipts(identity, new VirtualClock());
    receipts.current(chain, summary([[0, 4]], 5));
    const other = receipts.current({ ...chain, lane: 2 }, summary([[0, 4]], 5));
    expect(expectAccepted(openReceipt(other, identity.publicKey)).lane).toBe(2);
  });
});
