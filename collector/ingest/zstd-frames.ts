import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";

/**
 * Where the frames of a zstd body (RFC 8878 §3.1) begin and end and how large their content can be, found from the heads
 * of frames and blocks alone. `node:zlib` decodes the first frame and passes over all that follows, without an error
 * even when it is cut, so the frames are found here and decoded one by one.
 */
export interface ZstdFrame {
  readonly bytes: Uint8Array;
  /** What the frame states, or else what its blocks can hold at most. In bytes. */
  readonly contentMax: number;
  readonly isStated: boolean;
}

const MAGIC = 0xfd2fb528;
const MAGIC_SKIPPABLE = 0x184d2a50;
/** Block_Maximum_Size (§3.1.1.2.3). */
const BLOCK_BYTES_MAX = 128 * 1024;
/** More than any upload needs, and what §3.1.1.1.2 asks decoders to support at least. */
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** Each costs a turn in the thread pool, also an empty one. */
const FRAMES_MAX = 64;

/** Takes a body apart; skippable frames are left out. The content of the frames is not looked at. */
export function zstdFrames(body: Uint8Array): Outcome<ZstdFrame[], "encoding"> {
  const frames: ZstdFrame[] = [];
  for (let at = 0; at < body.length;) {
    const size = skippableSize(body, at);
    if (size !== undefined) {
      at += size;
      if (at > body.length) return refuse("encoding", "the body ends inside a skippable zstd frame.");
      continue;
    }
    const frame = frameAt(body, at);
    if (!frame.ok) return frame;
    if (frames.length === FRAMES_MAX) return refuse("encoding", `the body has more than ${FRAMES_MAX} zstd frames.`);
    frames.push(frame.value);
    at += frame.value.bytes.length;
  }
  return accept(frames);
}

/** Bytes of the skippable frame (§3.1.2) at `at`, or undefined when another frame is there. */
function skippableSize(body: Uint8Array, at: number): number | undefined {
  const magic = littleEndian(body, at, 4);
  if (magic === undefined || (magic & ~15) >>> 0 !== MAGIC_SKIPPABLE) return undefined;
  return 8 + (littleEndian(body, at + 4, 4) ?? body.length);
}

function frameAt(body: Uint8Array, start: number): Outcome<ZstdFrame, "encoding"> {
  if (littleEndian(body, start, 4) !== MAGIC) return refuse("encoding", `no zstd frame begins at byte ${start}.`);
  const head = readHead(body, start + 4);
  if (head === undefined) return cut();
  if (typeof head === "string") return refuse("encoding", head);
  let at = head.end;
  let contentMax = 0;
  for (let last = false; !last;) {
    const block = littleEndian(body, at, 3);
    if (block === undefined) return cut();
    last = (block & 1) === 1;
    const kind = (block >> 1) & 3;
    const size = block >> 3;
    if (kind === 3 || size > BLOCK_BYTES_MAX) return refuse("encoding", `the zstd block at byte ${at} is malformed.`);
    contentMax += kind === 2 ? BLOCK_BYTES_MAX : size;
    at += 3 + (kind === 1 ? 1 : size);
  }
  if (head.hasChecksum) at += 4;
  if (at > body.length) return cut();
  return accept({
    bytes: body.subarray(start, at),
    contentMax: head.contentSize ?? contentMax,
    isStated: head.contentSize !== undefined,
  });
}

function cut(): Outcome<never, "encoding"> {
  return refuse("encoding", "the body ends inside a zstd frame.");
}

interface FrameHead {
  readonly end: number;
  readonly contentSize: number | undefined;
  readonly hasChecksum: boolean;
}

/** The Frame_Header (§3.1.1.1); a sentence when it asks for what is not given here, undefined when the body ends in it. */
function readHead(body: Uint8Array, start: number): FrameHead | string | undefined {
  const descriptor = body[start];
  if (descriptor === undefined) return undefined;
  if ((descriptor & 8) !== 0) return "the zstd frame has a reserved bit set.";
  const isSingle = (descriptor & 32) !== 0;
  let at = start + 1;
  if (!isSingle) {
    const window = body[at++];
    if (window === undefined) return undefined;
    const base = 2 ** (10 + (window >> 3));
    const windowBytes = base + (base / 8) * (window & 7);
    if (windowBytes > WINDOW_BYTES_MAX) {
      return `the zstd window has ${windowBytes} bytes; at most ${WINDOW_BYTES_MAX} are allowed (windowLog 23).`;
    }
  }
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  if ((littleEndian(body, at, dictionaryBytes) ?? 0) !== 0) return "the zstd frame needs a dictionary.";
  at += dictionaryBytes;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 2 ** sizeFlag;
  const stated = littleEndian(body, at, sizeBytes);
  if (stated === undefined) return undefined;
  const contentSize = sizeBytes === 0 ? undefined : sizeBytes === 2 ? stated + 256 : stated;
  return { end: at + sizeBytes, contentSize, hasChecksum: (descriptor & 4) !== 0 };
}

/** Up to 8 bytes as a number, 0 for none; undefined when the body ends before. Above 2^53 the value is only about right. */
function littleEndian(body: Uint8Array, at: number, bytes: number): number | undefined {
  if (at + bytes > body.length) return undefined;
  let value = 0;
  for (let index = bytes - 1; index >= 0; index--) value = value * 256 + body[at + index]!;
  return value;
}
