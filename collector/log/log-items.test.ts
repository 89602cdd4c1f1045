import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { LogItem } from "@paddock/store/log-reads.ts";
import { Sealer, testPayload } from "@paddock/store/testing/sealer.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { encodeItems, ItemSplitter, type WholeItem } from "./log-items.ts";
import { renderLoss } from "./log-line.ts";

const encode = (items: readonly LogItem[]): Buffer => encodeItems(items, (loss) => renderLoss(loss, 0, "cbor").bytes);

/** One of each kind. */
function someItems(): LogItem[] {
  const sealer = new Sealer();
  const place = { chain: sealer.chain, received: 1_700_000_000_000 };
  const [whole, evicted, damaged, empty] = sealer.sealMany(4, 300);
  return [
    { ...place, ...whole!, offset: 0, count: 1 },
    { ...place, ...evicted!, payload: null, offset: 1, count: 1 },
    { ...place, ...damaged!, payload: null, damaged: true, offset: 2, count: 1 },
    { offset: 3, count: 7, lost: "entry" },
    { offset: 10, count: 2, lost: "rolled-back", chain: sealer.chain, seq: 3 },
    { ...place, ...empty!, offset: 12, count: 1 },
  ];
}

/** As a reader is to find it. */
function expected(item: LogItem): WholeItem {
  if (item.lost !== undefined) return item;
  const { offset, count, received, chain, seq, header, payload, damaged } = item;
  return {
    offset,
    count,
    received,
    chain,
    seq,
    header,
    payload,
    decoded: expectAccepted(decodeHeader(header)),
    ...(damaged === true ? { damaged } : {}),
  };
}

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, one: unknown) => (one instanceof Uint8Array ? [...one] : one)));

test("items come out as they went in, however the sequence is cut", () => {
  const items = someItems();
  const bytes = encode(items);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
      const splitter = new ItemSplitter();
      const found: WholeItem[] = [];
      const ends = [...cuts.toSorted((left, right) => left - right), bytes.length];
      let from = 0;
      for (const end of ends) {
        found.push(...expectAccepted(splitter.take(bytes.subarray(from, end))));
        from = end;
      }
      expect(splitter.heldBytes).toBe(0);
      expect(plain(found)).toEqual(plain(items.map(expected)));
    }),
    { numRuns: 50 },
  );
});

test("a payload that is not what its header says is refused", () => {
  const [item] = someItems();
  const changed = Buffer.from(encode([item!]));
  const at = changed.indexOf(testPayload(0, 300));
  changed[at + 100]! ^= 1;
  expect(new ItemSplitter().take(changed)).toMatchObject({ ok: false, detail: /does not hash/u });
});

test("what is no item of a log is refused, and nothing without an end is kept", () => {
  const splitter = new ItemSplitter();
  expect(splitter.take(Buffer.from("<html>"))).toMatchObject({ ok: false, reason: "log-item" });
  const endless = Buffer.alloc(300_000);
  // A map whose first key says that it is longer than all memory.
  endless.set(Buffer.from("a47affffffff", "hex"));
  expect(new ItemSplitter().take(endless)).toMatchObject({ ok: false, detail: /no end/u });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const taken = new ItemSplitter().take(bytes);
      expect(taken.ok ? taken.value : []).toEqual([]);
    }),
  );
});
