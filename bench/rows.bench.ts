import type { LoggedBatch } from "@paddock/collector/log/log-line.ts";
import { DatingBook } from "@paddock/collector/sinks/dating.ts";
import { rowsOfBatch } from "@paddock/collector/sinks/rows.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";
import { median, round } from "./load/numbers.ts";
import type { Bench, Row } from "./load/result.ts";

const FRAMES = 500;
const PASSES = 200;

/** From the payload of a batch to rows: decode, resolve, date. By the processor's time, as neighbours do not count there. */
export const rows: Bench = async ({ quick, progress }) => {
  const results: Row[] = [];
  for (const readings of [1, 6]) {
    const batch = batchOf(readings);
    progress(`rows: ${readings} a frame`);
    const rates = Array.from({ length: quick ? 3 : 9 }, () => rowsPerSecond(batch));
    results.push({
      what: `log to rows, ${readings} ${readings === 1 ? "reading" : "readings"} a frame`,
      value: round(median(rates)),
      unit: "rows/s of a core",
      rounds: rates.map((rate) => round(rate)),
      target: { is: "at least", value: 1_000_000 },
    });
  }
  return results;
};

function rowsPerSecond(batch: LoggedBatch): number {
  const book = new DatingBook();
  const before = process.cpuUsage();
  let count = 0;
  for (let pass = 0; pass < PASSES; pass++) count += rowsOfBatch(batch, 0, book).rows.length;
  const { user, system } = process.cpuUsage(before);
  return (count / (user + system)) * 1e6;
}

/** Frames as weather stations send them: base name, base time, unit and a double in each record. */
function batchOf(readings: number): LoggedBatch {
  const source = encodeSource("barn-7");
  const frames = Array.from({ length: FRAMES }, (_, index) => frameOf(index, readings));
  const sizes = frames.map((frame, index) => recordSize(index * 10, source, 112, frame.length));
  const payload = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [index, frame] of frames.entries()) at = writeRecord(payload, at, index * 10, source, 112, frame);
  const position = { boot: 1, monotonic: 5_000_000, wall: 1_760_000_000_000, clock: 2 };
  const chain = { gateway: Buffer.alloc(32, 7), lane: 1, epoch: 0 };
  const place = { seq: 4, offset: 0, count: FRAMES, received: 1_760_000_000_000 };
  return { chain, ...place, payload, decoded: { position } } as unknown as LoggedBatch;
}

function frameOf(index: number, readings: number): Buffer {
  const records = Array.from({ length: readings }, (_, record) => {
    const own = [text(0x00, `temp${record}`), text(0x01, "Cel"), double(0x02, 20 + (index % 977) / 10)];
    const base = [text(0x21, "urn:dev:mac:0024befffe80:"), double(0x22, 1_760_000_000 + index / 10)];
    const pairs = record === 0 ? [...base, ...own] : own;
    return Buffer.concat([Buffer.of(0xa0 + pairs.length), ...pairs]);
  });
  return Buffer.concat([Buffer.of(0x80 + readings), ...records]);
}

function text(label: number, value: string): Buffer {
  const head = value.length < 24 ? [0x60 + value.length] : [0x78, value.length];
  return Buffer.concat([Buffer.of(label, ...head), Buffer.from(value)]);
}

function double(label: number, value: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes[0] = label;
  bytes[1] = 0xfb;
  bytes.writeDoubleBE(value, 2);
  return bytes;
}
