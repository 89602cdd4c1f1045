import { describe, expect, test } from "vitest";
import { PAYLOAD_BYTES_MAX, RECORDS_MAX } from "@paddock/wire/limits.ts";
import { recordSize } from "@paddock/wire/record.ts";
import type { IncomingFrame } from "./frame-sink.ts";
import { LOSS_RANGES_MAX, LOSS_RECORDS_MAX } from "./losses.ts";
import { OpenBatch } from "./open-batch.ts";

const frameOf = (bytes: number, more: Partial<IncomingFrame> = {}): IncomingFrame => ({
  lane: 1,
  encodedSource: Buffer.of(0x60),
  format: 112,
  frame: Buffer.alloc(bytes, 7),
  receivedUs: 0,
  ...more,
});

describe("an open batch", () => {
  test("is as new after it was written: nothing of the frames before counts, is due, or is kept", () => {
    const batch = new OpenBatch();
    const fresh = facts(batch);
    batch.begin(5, 6, 2);
    batch.add(frameOf(10, { side: { key: "window", value: Buffer.of(1) } }), () => {});
    batch.addOwn({ kind: "clock-step", before: 1, after: 2 });
    batch.setLoss([]);
    batch.due = true;
    expect(facts(batch)).toMatchObject({ empty: false, count: 2, frames: 1, due: true, hasStates: true, waiting: 1 });
    batch.reset();
    expect(facts(batch)).toEqual(fresh);
    // The place of an earlier loss record is forgotten, too.
    batch.add(frameOf(3), undefined);
    batch.setLoss([]);
    expect(batch.count).toBe(1);
  });

  test("writes notes only of its own frames", () => {
    const batch = new OpenBatch();
    const book = {
      entry: (_lane: number, _us: number, notes: readonly number[]) => ({ key: "notes", value: Buffer.from(notes) }),
    };
    batch.add(frameOf(1, { note: { low: 3, high: 4, book } }), undefined);
    expect(batch.sideOf(1)).toEqual([{ key: "notes", value: Buffer.of(3, 4) }]);
    batch.reset();
    batch.add(frameOf(1), undefined);
    expect(batch.sideOf(1)).toEqual([]);
  });

  test("takes frames as long as the gateway's own records still fit, by count and by bytes", () => {
    const many = new OpenBatch();
    let taken = 0;
    while (many.add(frameOf(0), undefined)) taken++;
    expect(taken).toBe(RECORDS_MAX - LOSS_RECORDS_MAX - 1);
    const large = new OpenBatch();
    expect(large.add(frameOf(PAYLOAD_BYTES_MAX), undefined)).toBe(false);
    expect(large.empty).toBe(true);
    // To the last byte: what one frame may fill two may fill as well.
    const room = sizeOf(largest((bytes) => new OpenBatch().add(frameOf(bytes), undefined)));
    const rest = largest((bytes) => sizeOf(1000) + sizeOf(bytes) <= room);
    expect([large.add(frameOf(1000), undefined), large.add(frameOf(rest + 1), undefined)]).toEqual([true, false]);
    expect(large.add(frameOf(rest), undefined)).toBe(true);
  });

  test("leaves room for the longest records of its own, and hardly more", () => {
    const batch = new OpenBatch();
    batch.add(frameOf(largest((bytes) => new OpenBatch().add(frameOf(bytes), undefined))), undefined);
    const most = Number.MAX_SAFE_INTEGER;
    const ranges = Array.from({ length: LOSS_RANGES_MAX }, (_, index) => [most - 2 * index, most - 2 * index] as const);
    const each = ranges.length / LOSS_RECORDS_MAX;
    batch.addOwn({ kind: "clock-step", before: most, after: most });
    batch.setLoss(
      Array.from({ length: LOSS_RECORDS_MAX }, (_, index) => ({
        kind: "loss",
        reason: "quarantined",
        epoch: 0xffff_ffff,
        ranges: ranges.slice(index * each, (index + 1) * each).toReversed(),
        records: most,
        bytes: most,
      })),
    );
    const left = PAYLOAD_BYTES_MAX - batch.payload.length;
    expect(left).toBeGreaterThanOrEqual(0);
    expect(left).toBeLessThan(200);
  });

  test("loss records stand in the place of those before them", () => {
    const batch = new OpenBatch();
    const loss = { kind: "loss", reason: "evicted", epoch: 0, ranges: [[0, 1]], records: 2, bytes: 3 } as const;
    batch.add(frameOf(5), undefined);
    batch.setLoss([loss, { ...loss, epoch: 1 }]);
    const two = batch.payload.length;
    batch.setLoss([loss]);
    expect([batch.count, batch.frames]).toEqual([2, 1]);
    expect(batch.payload.length).toBeLessThan(two);
  });
});

function facts(batch: OpenBatch) {
  const { empty, count, frames, due, hasStates } = batch;
  return {
    empty,
    count,
    frames,
    due,
    hasStates,
    bytes: batch.payload.length,
    waiting: batch.committed.length,
    side: batch.sideOf(1),
  };
}

function sizeOf(frameBytes: number): number {
  return recordSize(0, Buffer.of(0x60), 112, frameBytes);
}

/** The largest frame for which `fits` holds. */
function largest(fits: (bytes: number) => boolean): number {
  let [low, high] = [0, PAYLOAD_BYTES_MAX];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
