import { describe, expect, test } from "vitest";
import type { Ranges } from "@paddock/base/ranges.ts";
import { encodedBatchSize, type EncodedBatch } from "@paddock/wire/batch.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { UPLOAD_BATCHES_MAX } from "@paddock/wire/limits.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import type { VerifiedReceipt } from "./ports.ts";
import { MemorySource } from "./testing/memory-source.ts";
import { readLoad, receiptFault, type Load } from "./upload.ts";

const chain = { lane: 1, epoch: 0 } as const;

/** A source with a batch of so many frames each. */
function sourceOf(...frames: readonly number[]): MemorySource {
  const source = new MemorySource(generateIdentity());
  for (const count of frames)
    source.seal(
      1,
      Array.from({ length: count }, () => Buffer.alloc(10)),
    );
  return source;
}

function load(source: MemorySource, first: number, last: number, maxBytes = 1e6) {
  return readLoad(source, { ...chain, first, last, maxBytes });
}

/** The source gives these batches, whatever it is asked for. */
function giving(source: MemorySource, ...batches: readonly EncodedBatch[]): MemorySource {
  source.read = async () => batches;
  return source;
}

describe("what is read for one request", () => {
  test("is counted as it is: seqs, bytes, records, and what has its payload", async () => {
    const source = sourceOf(1, 2, 3);
    const { batches } = source.chain(1);
    const bytes = batches.slice(1).reduce((sum, batch) => sum + encodedBatchSize(batch), 0);
    expect(await load(source, 1, 2)).toEqual({
      ok: true,
      value: { batches: batches.slice(1), first: 1, last: 2, bytes, records: 5, whole: [[1, 2]] },
    });
  });

  test("names as whole only what goes out with its payload, in runs", async () => {
    const source = sourceOf(1, 1, 1, 1, 1, 1, 1);
    const given = source
      .chain(1)
      .batches.map((batch, seq) => ([2, 3, 5].includes(seq) ? { header: batch.header, payload: null } : batch));
    expect(await load(giving(source, ...given), 0, 6)).toMatchObject({
      ok: true,
      value: {
        records: 7,
        whole: [
          [0, 1],
          [4, 4],
          [6, 6],
        ],
      },
    });
  });

  test("goes to the last that is wanted, and to as many as one request may have", async () => {
    const asked: number[] = [];
    const source = sourceOf(1, 1);
    const read = source.read.bind(source);
    source.read = (name, first, last, maxBytes) => {
      asked.push(last);
      return read(name, first, last, maxBytes);
    };
    await load(source, 1, 1);
    await load(source, 1, 1e6);
    expect(asked).toEqual([1, UPLOAD_BATCHES_MAX]);
  });

  test("cannot be sent when nothing is there, when a batch stands in the place of another, or is not one", async () => {
    const source = sourceOf(1, 1, 1);
    const [zero, one, two] = source.chain(1).batches;
    const broken = { header: Buffer.from([0]), payload: null };
    const why = [];
    for (const given of [[], [one!], [zero!, two!], [zero!, zero!], [zero!, broken]]) {
      why.push(await load(giving(source, ...given), 0, 2));
    }
    expect(why).toMatchObject([
      { ok: false, reason: "unreadable", detail: "nothing is stored at seq 0" },
      { ok: false, detail: "seq 1 was read in the place of 0" },
      { ok: false, detail: "seq 2 was read in the place of 1" },
      { ok: false, detail: "seq 0 was read in the place of 1" },
      { ok: false, detail: expect.stringMatching(/^seq 1: /u) },
    ]);
  });

  test("cannot be sent when the disk fails, and that is no rejection", async () => {
    const source = sourceOf(1);
    source.read = () => Promise.reject(new Error("EIO"));
    expect(await load(source, 0, 0)).toEqual({ ok: false, reason: "unreadable", detail: "EIO" });
  });
});

describe("a receipt lets go of what was sent", () => {
  const sent = { first: 3, last: 6, whole: [[3, 4]] } as unknown as Load;
  const fault = (held: Ranges, bare: Ranges = []) =>
    receiptFault({ receipt: { held, bare } as unknown as Receipt } as VerifiedReceipt, sent);

  test("when it names all of it, and nothing that went out whole as bare", () => {
    expect(fault([[3, 6]])).toBeUndefined();
    expect(fault([[0, 9]], [[5, 6]])).toBeUndefined();
    expect(fault([[0, 9]], [[0, 2]])).toBeUndefined();
  });

  test.each<[string, Ranges, number]>([
    ["the first", [[4, 6]], 3],
    ["the last", [[3, 5]], 6],
    [
      "one in the middle",
      [
        [0, 4],
        [6, 9],
      ],
      5,
    ],
    ["all", [], 3],
  ])("but not when it leaves out %s", (_what, held, missing) => {
    expect(fault(held)).toEqual({
      ok: false,
      reason: "refused",
      detail: `the receipt for seq 3 to 6 does not name ${missing}`,
    });
  });

  test.each<[Ranges, string]>([
    [[[4, 4]], "4"],
    [[[0, 9]], "3..4"],
  ])("nor when it holds without payload what had one: %j", (bare, which) => {
    expect(fault([[0, 9]], bare)).toMatchObject({
      ok: false,
      reason: "stripped",
      detail: expect.stringContaining(which),
    });
  });
});
