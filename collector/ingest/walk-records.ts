import { isUtf8 } from "node:buffer";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { headSize } from "@paddock/wire/cbor-write.ts";
import { FRAME_BYTES_MAX, SENSOR_ID_BYTES_MAX } from "@paddock/wire/limits.ts";
import { FORMAT_GATEWAY, PACKED_SOURCE_BYTES } from "@paddock/wire/record.ts";

/**
 * Walks a payload record by record without making objects: the one piece of work per record on the way in (tens of
 * nanoseconds each). Holds for exactly the payloads that `decodeRecords` takes, so that what is stored can be read. Returns the frames of the gateway's own records, as views.
 */
export function walkRecords(payload: Uint8Array, count: number): Outcome<readonly Uint8Array[], "records"> {
  const own: Uint8Array[] = [];
  const end = payload.length;
  let at = 0;
  let seen = 0;
  while (at < end) {
    const start = at;
    const bad = (): Outcome<never, "records"> => refuse("records", `record ${seen} at byte ${start} is malformed`);
    if (payload[at++] !== 0x84) return bad();
    let value = headAt(payload, at, 0);
    if (value < 0) return bad();
    at += headSize(value);
    const text = payload[at]! >> 5 === 3;
    value = headAt(payload, at, text ? 3 : 2);
    if (text ? value < 1 || value > SENSOR_ID_BYTES_MAX : value !== PACKED_SOURCE_BYTES) return bad();
    at += headSize(value);
    if (text && !isText(payload, at, at + value)) return bad();
    at += value;
    const format = headAt(payload, at, 0);
    if (format < 0 || format > 0xffff) return bad();
    at += headSize(format);
    value = headAt(payload, at, 2);
    if (value < 0 || value > FRAME_BYTES_MAX) return bad();
    at += headSize(value);
    if (at + value > end) return bad();
    if (format === FORMAT_GATEWAY) own.push(payload.subarray(at, at + value));
    at += value;
    seen++;
  }
  if (seen !== count) return refuse("records", `the payload has ${seen} records, its header says ${count}`);
  return accept(own);
}

/** Ids are ASCII nearly always, and then this is all there is to look at. */
function isText(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at]! >= 0x80) return isUtf8(bytes.subarray(from, to));
  return true;
}

/** The argument of a definite, shortest-form head of this major type, or -1. */
function headAt(bytes: Uint8Array, at: number, major: number): number {
  const initial = bytes[at];
  if (initial === undefined || initial >> 5 !== major) return -1;
  const info = initial & 31;
  if (info < 24) return info;
  // 16 bytes and more stand for a reserved or an indefinite length: no number has its shortest form there.
  const size = 1 << (info - 24);
  if (at + size >= bytes.length) return -1;
  let value = 0;
  for (let index = 1; index <= size; index++) value = value * 256 + bytes[at + index]!;
  return value <= Number.MAX_SAFE_INTEGER && headSize(value) === 1 + size ? value : -1;
}
