import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { headSize, writeHead } from "./cbor-write.ts";
import { FRAME_BYTES_MAX, RECORDS_MAX, SENSOR_ID_BYTES_MAX } from "./limits.ts";

/**
 * A record: one frame as received with its reception context, `[offset, source, format, frame]`. A batch payload is a
 * CBOR sequence (RFC 8742) of records. docs/protocol.md §2.
 */
export interface BatchRecord {
  /** Microseconds after the batch's `monotonic` at which the frame was received. */
  readonly offset: number;
  /** The sensor's id when it is known, else its packed address and port (18 bytes: IPv6 address, port big endian). */
  readonly source: string | Uint8Array;
  /** CoAP Content-Format of the frame; FORMAT_GATEWAY marks the gateway's own records. */
  readonly format: number;
  /** The frame, byte for byte. */
  readonly frame: Uint8Array;
}

/** Content-Format of records that the gateway itself writes; see gateway-record.ts. 65535 is reserved (RFC 7252 §12.3). */
export const FORMAT_GATEWAY = 65_535;
/** Bytes of a packed source: 16 of address, 2 of port. */
export const PACKED_SOURCE_BYTES = 18;

/** A source as the CBOR item that records carry; encoded once per sensor, copied per frame. */
export function encodeSource(source: string | Uint8Array): Buffer {
  const content = typeof source === "string" ? Buffer.from(source, "utf8") : source;
  if (
    typeof source === "string"
      ? content.length === 0 || content.length > SENSOR_ID_BYTES_MAX
      : content.length !== PACKED_SOURCE_BYTES
  ) {
    throw new RangeError(`a source has ${content.length} bytes`);
  }
  const encoded = Buffer.allocUnsafe(headSize(content.length) + content.length);
  const offset = writeHead(encoded, 0, typeof source === "string" ? 3 : 2, content.length);
  encoded.set(content, offset);
  return encoded;
}

/** Bytes that `writeRecord` will write. */
export function recordSize(offset: number, encodedSource: Uint8Array, format: number, frameBytes: number): number {
  return 1 + headSize(offset) + encodedSource.length + headSize(format) + headSize(frameBytes) + frameBytes;
}

/** Writes one record at `at` and returns the offset behind it. The caller has made room by `recordSize`. */
export function writeRecord(
  target: Uint8Array,
  at: number,
  offset: number,
  encodedSource: Uint8Array,
  format: number,
  frame: Uint8Array,
): number {
  target[at] = 0x84;
  let end = writeHead(target, at + 1, 0, offset);
  target.set(encodedSource, end);
  end = writeHead(target, end + encodedSource.length, 0, format);
  end = writeHead(target, end, 2, frame.length);
  target.set(frame, end);
  return end + frame.length;
}

/** Reads a payload strictly. Frames and packed sources are views into it. */
export function decodeRecords(payload: Uint8Array): Outcome<BatchRecord[], "records"> {
  const records: BatchRecord[] = [];
  const reader = new CborReader(payload);
  while (!reader.atEnd && reader.problem === undefined) {
    if (records.length >= RECORDS_MAX) reader.fail(`more than ${RECORDS_MAX} records`);
    reader.array("record", 4);
    const offset = reader.uint("offset");
    const source = reader.nextIsText
      ? reader.text("source", SENSOR_ID_BYTES_MAX, 1)
      : reader.bytes("source", PACKED_SOURCE_BYTES);
    const format = reader.uint("format", 0xffff);
    const frame = reader.bytes("frame", 0, FRAME_BYTES_MAX);
    records.push({ offset, source, format, frame });
  }
  return reader.problem === undefined ? accept(records) : refuse("records", reader.problem);
}

/** Packs an IPv6 address (16 bytes) and a port into the form that records carry. */
export function packSource(address: Uint8Array, port: number): Uint8Array {
  const packed = new Uint8Array(PACKED_SOURCE_BYTES);
  packed.set(address, 0);
  packed[16] = port >> 8;
  packed[17] = port & 0xff;
  return packed;
}

/** A source for people: the id, or `[address]:port` (RFC 5952 zero compression for the longest run). */
export function formatSource(source: string | Uint8Array): string {
  if (typeof source === "string") return source;
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) groups.push(((source[index]! << 8) | source[index + 1]!).toString(16));
  const port = (source[16]! << 8) | source[17]!;
  return `[${compressZeros(groups)}]:${port}`;
}

function compressZeros(groups: readonly string[]): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    if (end - start > bestLength) {
      bestStart = start;
      bestLength = end - start;
    }
  }
  if (bestStart < 0) return groups.join(":");
  return `${groups.slice(0, bestStart).join(":")}::${groups.slice(bestStart + bestLength).join(":")}`;
}
