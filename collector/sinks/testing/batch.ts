import type { BatchHeader, ClockQuality } from "@paddock/wire/batch-header.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { WholeBatch } from "../../log/log-items.ts";

export const GATEWAY = "07".repeat(32);
export const ARRIVED_MS = 1_760_000_000_000;
export const WALL_MS = 1_750_000_000_000;
export const MONOTONIC_US = 5_000_000;

export interface TestRecord {
  /** The frame; blanks in it mean nothing. */
  readonly hex: string;
  readonly format?: number;
  /** Microseconds behind the batch's first. */
  readonly offset?: number;
}

/** A batch of the log at offset 100 with these records of the source "barn"; its header is no real one. */
export function batchOf(records: readonly TestRecord[], clock: ClockQuality = 2): WholeBatch {
  const source = encodeSource("barn");
  const frames = records.map(({ hex, format = 112, offset = 0 }) => ({
    frame: Buffer.from(hex.replaceAll(" ", ""), "hex"),
    format,
    offset,
  }));
  const sizes = frames.map(({ frame, format, offset }) => recordSize(offset, source, format, frame.length));
  const payload = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const { frame, format, offset } of frames) at = writeRecord(payload, at, offset, source, format, frame);
  const position = { boot: 3, monotonic: MONOTONIC_US, wall: WALL_MS, clock } as BatchHeader["position"];
  const chain = { gateway: Buffer.alloc(32, 7), lane: 1, epoch: 2 } as const;
  const place = { seq: 4, offset: 100, count: records.length, received: ARRIVED_MS };
  return { chain, ...place, payload, header: Buffer.alloc(0), decoded: { position } as BatchHeader };
}
