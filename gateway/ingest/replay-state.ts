import { CborReader } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import {
  decodeReplayWindow,
  encodeReplayWindow,
  REPLAY_WINDOW_BYTES,
  REPLAY_WINDOW_WIDTH,
  type ReplayWindow,
} from "@paddock/wire/replay-window.ts";

/** Bytes that stand for the key under which the numbers were used. */
export const FINGERPRINT_BYTES = 8;
/** Bytes of a frame's tag that are kept to recognise the frame. */
export const TAG_HEAD_BYTES = 8;
/**
 * Tags that are written with each frame beside those of the frames whose write is under way. They are for the sensor
 * whose answer was lost when the gateway stopped; it has one exchange open (NSTART, RFC 7252 §4.7), so a few are plenty.
 */
export const REMEMBERED_TAGS = 8;
/** Tags of one state: as many frames as a sensor can have in one batch without leaving the window. */
export const REMEMBERED_TAGS_MAX = REPLAY_WINDOW_WIDTH;

/** What becomes durable with a keyed sensor's frame, for one lane. */
export interface ReplayState {
  readonly window: ReplayWindow;
  /** The first bytes of the tags of the newest frames, as hex, by sequence number. */
  readonly tags: ReadonlyMap<number, string>;
}

/** `[fingerprint, window, [* (sequence, tag head)]]` in deterministic CBOR. */
export function encodeReplayState(fingerprint: Uint8Array, { window, tags }: ReplayState): Buffer {
  const writer = new CborWriter(192)
    .array(3)
    .bytes(fingerprint)
    .bytes(encodeReplayWindow(window))
    .array(tags.size * 2);
  for (const [sequence, tag] of tags) writer.int(sequence).bytes(Buffer.from(tag, "hex"));
  return writer.finish();
}

/** The state, or undefined when the bytes are none or belong to another key. */
export function decodeReplayState(bytes: Uint8Array, fingerprint: Uint8Array): ReplayState | undefined {
  const reader = new CborReader(bytes);
  reader.array("replay state", 3);
  const owner = reader.bytes("fingerprint", FINGERPRINT_BYTES);
  const window = decodeReplayWindow(reader.bytes("window", REPLAY_WINDOW_BYTES));
  const tags = new Map<number, string>();
  const items = reader.array("tags", 0, REMEMBERED_TAGS_MAX * 2);
  for (let item = 0; item + 1 < items; item += 2) {
    const sequence = reader.uint("sequence");
    tags.set(sequence, Buffer.from(reader.bytes("tag", TAG_HEAD_BYTES)).toString("hex"));
  }
  reader.end("replay state");
  if (reader.problem !== undefined || !window.ok || Buffer.compare(owner, fingerprint) !== 0) return undefined;
  return { window: window.value, tags };
}
