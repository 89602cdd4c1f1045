/** The wire format of Protocol Buffers, as far as OTLP's metrics use it. Fields that have their default are left out. */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Whole number of up to 53 bits, not negative. */
export function varint(field: number, value: number): Buffer {
  return value === 0 ? NOTHING : Buffer.concat([tag(field, VARINT), base128(value)]);
}

export function fixed64(field: number, value: bigint): Buffer {
  if (value === 0n) return NOTHING;
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(value);
  return Buffer.concat([tag(field, FIXED64), bytes]);
}

/** Written even when it is 0: the fields that use it say by being there that they have a value. */
export function double(field: number, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, FIXED64), bytes]);
}

export function text(field: number, value: string): Buffer {
  return value === "" ? NOTHING : message(field, [Buffer.from(value)]);
}

/** Bytes behind their length: a message within a message, given by its fields. */
export function message(field: number, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([tag(field, LENGTH), base128(length), ...parts]);
}

export function packedDoubles(field: number, values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeDoubleLE(value, index * 8);
  return message(field, [bytes]);
}

/** Whole numbers of up to 53 bits as fixed64. */
export function packedFixed64(field: number, values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), index * 8);
  return message(field, [bytes]);
}

const NOTHING = Buffer.alloc(0);

function tag(field: number, type: number): Buffer {
  return base128(field * 8 + type);
}

function base128(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** Numbers of a varint, the bytes of all else. */
export type Field = { readonly field: number; readonly value: number | Uint8Array };

/** The fields of a message in their order; undefined when the bytes are none. */
export function readFields(bytes: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || factor > 128 ** 9) return NaN;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = readVarint();
    const type = key % 8;
    if (type === VARINT) {
      const value = readVarint();
      if (Number.isNaN(value)) return undefined;
      fields.push({ field: Math.floor(key / 8), value });
      continue;
    }
    const length = type === LENGTH ? readVarint() : type === FIXED64 ? 8 : type === FIXED32 ? 4 : NaN;
    if (!(at + length <= bytes.length)) return undefined;
    fields.push({ field: Math.floor(key / 8), value: bytes.subarray(at, at + length) });
    at += length;
  }
  return fields;
}
