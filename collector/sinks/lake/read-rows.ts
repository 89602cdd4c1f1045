import { readFile } from "node:fs/promises";
import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import type { Row } from "../row.ts";

/** Without these hyparquet makes dates of times, which have no microseconds. */
const PARSERS = { timestampFromMicroseconds: (us: bigint) => us } as never;
const COMPRESSORS = { ZSTD: (bytes: Uint8Array, length: number) => decompressed(bytes, length) };

/** Bytes that were hashed by whoever calls. */
type ParquetBytes = Uint8Array;

export function readBytes(path: string): Promise<ParquetBytes> {
  return readFile(path);
}

/** The rows of a file of the lake, in its order. */
export async function rowsIn(bytes: ParquetBytes): Promise<Row[]> {
  const found = await parquetReadObjects({ file: bufferOf(bytes), ...OPTIONS });
  return found.map(rowOf);
}

/** Which readings a file holds: `offset:part`. */
export async function keysIn(bytes: ParquetBytes): Promise<string[]> {
  const found = await parquetReadObjects({ file: bufferOf(bytes), ...OPTIONS, columns: ["log_offset", "part"] });
  return found.map(({ log_offset: offset, part }) => `${offset as bigint}:${part as number}`);
}

const OPTIONS = { compressors: COMPRESSORS, parsers: PARSERS, utf8: false };

function bufferOf(bytes: ParquetBytes) {
  return {
    byteLength: bytes.byteLength,
    slice: (from: number, to: number = bytes.byteLength) => new Uint8Array(bytes.subarray(from, to)).buffer,
  };
}

function decompressed(bytes: Uint8Array, length: number): Uint8Array {
  return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) });
}

function rowOf(found: Record<string, unknown>): Row {
  const text = (name: string) => (found[name] as string | null | undefined) ?? null;
  const number = (name: string) => (found[name] as number | null | undefined) ?? null;
  const whole = (name: string) => Number(found[name]);
  return {
    offset: whole("log_offset"),
    part: whole("part"),
    gateway: found["gateway"] as string,
    lane: found["lane"] as Row["lane"],
    epoch: whole("epoch"),
    seq: whole("seq"),
    index: whole("record"),
    source: found["source"] as string,
    name: found["name"] as string,
    unit: text("unit"),
    number: number("value"),
    exact: text("exact"),
    whyNoNumber: text("why_no_value") as Row["whyNoNumber"],
    text: text("text"),
    flag: (found["flag"] as boolean | null | undefined) ?? null,
    data: (found["data"] as Uint8Array | null | undefined) ?? null,
    contentFormat: text("content_format"),
    sum: number("sum"),
    updateS: number("update_s"),
    timeUs: whole("time"),
    timeBy: found["time_by"] as Row["timeBy"],
    clock: found["clock"] as Row["clock"],
    arrivedMs: Number(found["arrived"]) / 1000,
    boot: whole("boot"),
    monotonicUs: whole("monotonic_us"),
  };
}
