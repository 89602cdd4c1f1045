import { CborWriter, headSize } from "@paddock/wire/cbor-write.ts";
import type { Device } from "./device.ts";

/** SenML labels (RFC 8428 §6). */
const LABEL_BASE_NAME = -2;
const LABEL_BASE_TIME = -3;
const LABEL_NAME = 0;
const LABEL_UNIT = 1;
const LABEL_VALUE = 2;
const LABEL_BOOLEAN = 4;
const LABEL_DATA = 8;

/**
 * The SenML-CBOR frame of one sensor with every changing field at a fixed offset, so that a frame is a copy and a few
 * stores. The first record `seq` counts the sensor's frames: it makes every frame unique, whatever clock and values do.
 */
export class FrameTemplate {
  readonly #bytes: Buffer;
  readonly #sequenceAt: number;
  readonly #timeAt: number;
  readonly #numbersAt: readonly number[];
  readonly #flagsAt: readonly number[];

  /** `format` 113 writes the indefinite array of a SenSML stream. `minBytes` is reached by a record of padding. */
  constructor(options: { baseName: string; device: Device; format: 112 | 113; minBytes: number }) {
    const { baseName, device, format, minBytes } = options;
    const bare = layOut(baseName, device, format, undefined);
    const padBytes = padFor(minBytes - bare.bytes.length);
    const laid = padBytes === undefined ? bare : layOut(baseName, device, format, padBytes);
    this.#bytes = laid.bytes;
    this.#sequenceAt = laid.sequenceAt;
    this.#timeAt = laid.timeAt;
    this.#numbersAt = laid.numbersAt;
    this.#flagsAt = laid.flagsAt;
  }

  /** Where the first record ends: a stream that is cut before holds no whole record. */
  get firstRecordEnd(): number {
    return this.#timeAt + 8;
  }

  /** `timeS` is Unix time, or relative to now when it is below 2^28 (RFC 8428 §4.5.3). */
  fill(sequence: number, timeS: number, numbers: Float64Array, flags: readonly boolean[]): Buffer {
    const frame = Buffer.allocUnsafe(this.#bytes.length);
    this.#bytes.copy(frame);
    frame.writeUInt32BE(sequence >>> 0, this.#sequenceAt);
    frame.writeDoubleBE(timeS, this.#timeAt);
    let index = 0;
    for (const at of this.#numbersAt) frame.writeDoubleBE(numbers[index++] ?? 0, at);
    index = 0;
    for (const at of this.#flagsAt) frame[at] = flags[index++] === true ? CBOR_TRUE : CBOR_FALSE;
    return frame;
  }
}

const CBOR_FALSE = 0xf4;
const CBOR_TRUE = 0xf5;
const INDEFINITE_ARRAY = Buffer.of(0x9f);
const BREAK = Buffer.of(0xff);
const UINT32_ZERO = Buffer.of(0x1a, 0, 0, 0, 0);
const FLOAT64_ZERO = Buffer.of(0xfb, 0, 0, 0, 0, 0, 0, 0, 0);
const PAD_NAME = "pad";
/** Map head, two labels, the name. */
const PAD_OVERHEAD_BYTES = 1 + 1 + 1 + PAD_NAME.length + 1;

/** Bytes of padding data that add `missingBytes` to a frame, or one more where a head cannot fit exactly. */
function padFor(missingBytes: number): number | undefined {
  if (missingBytes <= 0) return undefined;
  const room = Math.max(0, missingBytes - PAD_OVERHEAD_BYTES);
  let padBytes = Math.max(0, room - headSize(room));
  while (padBytes + headSize(padBytes) < room) padBytes++;
  return padBytes;
}

function layOut(baseName: string, device: Device, format: 112 | 113, padBytes: number | undefined) {
  const writer = new CborWriter(512);
  let length = 0;
  // CborWriter copies on finish, so the offset of a patch is kept by counting what each item takes.
  const put = (item: Buffer): number => {
    writer.raw(item);
    length += item.length;
    return length;
  };
  const one = (write: (item: CborWriter) => CborWriter): number => put(write(new CborWriter(64)).finish());

  const records = 1 + device.numbers.length + device.flags.length + (padBytes === undefined ? 0 : 1);
  if (format === 113) put(INDEFINITE_ARRAY);
  else one((item) => item.array(records));

  one((item) => item.map(4).int(LABEL_NAME).text("seq").int(LABEL_VALUE));
  const sequenceAt = put(UINT32_ZERO) - 4;
  one((item) => item.int(LABEL_BASE_NAME).text(baseName).int(LABEL_BASE_TIME));
  const timeAt = put(FLOAT64_ZERO) - 8;

  const numbersAt = device.numbers.map(({ name, unit }) => {
    one((item) =>
      item
        .map(unit === "" ? 2 : 3)
        .int(LABEL_NAME)
        .text(name),
    );
    if (unit !== "") one((item) => item.int(LABEL_UNIT).text(unit));
    one((item) => item.int(LABEL_VALUE));
    return put(FLOAT64_ZERO) - 8;
  });
  const flagsAt = device.flags.map((name) => {
    one((item) => item.map(2).int(LABEL_NAME).text(name).int(LABEL_BOOLEAN));
    return one((item) => item.boolean(false)) - 1;
  });
  if (padBytes !== undefined) {
    one((item) => item.map(2).int(LABEL_NAME).text(PAD_NAME).int(LABEL_DATA).bytes(Buffer.alloc(padBytes)));
  }
  if (format === 113) put(BREAK);
  return { bytes: writer.finish(), sequenceAt, timeAt, numbersAt, flagsAt };
}
