import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { PARTIAL_IV_BYTES_MAX } from "./limits.ts";

/**
 * Which of a sensor's sequence numbers were seen: the highest one and the 63 below it (the sliding window of RFC 6347
 * §4.1.2.6). Values never change; `record` returns a new window, so that one can be tried and made durable later.
 */
export interface ReplayWindow {
  /** The highest number seen; -1 while none was. */
  readonly highest: number;
  /**
   * Bit i of the pair says that `highest` - i was seen; `low` has i = 0 to 31. Bit 0 is set once any was seen. Shifts by i
   * need no other number for `high`: they count modulo 32.
   */
  readonly low: number;
  readonly high: number;
}

export const REPLAY_WINDOW_WIDTH = 64;
/** Bytes of an encoded window. */
export const REPLAY_WINDOW_BYTES = 16;
const SEQUENCE_MAX = 256 ** PARTIAL_IV_BYTES_MAX - 1;

export const EMPTY_REPLAY_WINDOW: ReplayWindow = { highest: -1, low: 0, high: 0 };

export type ReplayVerdict =
  | "new"
  /** Seen before. */
  | "duplicate"
  /** Below the window, so nobody knows any more. */
  | "old";

/** What the window says of a sequence number, 0 to 2^40-1. */
export function judgeSequence(window: ReplayWindow, sequence: number): ReplayVerdict {
  if (sequence > window.highest) return "new";
  const age = window.highest - sequence;
  if (age >= REPLAY_WINDOW_WIDTH) return "old";
  const seen = age < 32 ? (window.low >>> age) & 1 : (window.high >>> age) & 1;
  return seen === 1 ? "duplicate" : "new";
}

/** The window after `sequence` was seen too; the same window when it was seen or is too old. */
export function recordSequence(window: ReplayWindow, sequence: number): ReplayWindow {
  const { highest, low, high } = window;
  if (sequence > highest) {
    if (highest < 0) return { highest: sequence, low: 1, high: 0 };
    const shifted = shiftUp(low, high, sequence - highest);
    return { highest: sequence, low: (shifted.low | 1) >>> 0, high: shifted.high };
  }
  const age = highest - sequence;
  if (age >= REPLAY_WINDOW_WIDTH) return window;
  if (age < 32) return { highest, low: (low | (1 << age)) >>> 0, high };
  return { highest, low, high: (high | (1 << age)) >>> 0 };
}

function shiftUp(low: number, high: number, by: number): { low: number; high: number } {
  if (by >= REPLAY_WINDOW_WIDTH) return { low: 0, high: 0 };
  if (by >= 32) return { low: 0, high: (low << by) >>> 0 };
  return { low: (low << by) >>> 0, high: ((high << by) | (low >>> -by)) >>> 0 };
}

/** 16 bytes: `highest` as a big-endian 64-bit number (all ones for an empty window), then the 64 bits, bit 63 first. */
export function encodeReplayWindow(window: ReplayWindow): Buffer {
  const bytes = Buffer.alloc(REPLAY_WINDOW_BYTES);
  bytes.writeBigInt64BE(BigInt(window.highest), 0);
  bytes.writeUInt32BE(window.high, 8);
  bytes.writeUInt32BE(window.low, 12);
  return bytes;
}

export function decodeReplayWindow(bytes: Uint8Array): Outcome<ReplayWindow, "replay-window"> {
  if (bytes.length !== REPLAY_WINDOW_BYTES) {
    return refuse("replay-window", `A replay window has ${REPLAY_WINDOW_BYTES} bytes, not ${bytes.length}.`);
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const highest = Number(buffer.readBigInt64BE(0));
  const window = { highest, low: buffer.readUInt32BE(12), high: buffer.readUInt32BE(8) };
  const isEmpty = highest === -1 && window.low === 0 && window.high === 0;
  if (!isEmpty && (highest < 0 || highest > SEQUENCE_MAX || (window.low & 1) === 0 || seesBelowZero(window))) {
    return refuse("replay-window", "A replay window names numbers that no sensor can have sent.");
  }
  return accept(window);
}

function seesBelowZero({ highest, low, high }: ReplayWindow): boolean {
  if (highest >= REPLAY_WINDOW_WIDTH - 1) return false;
  const valid = highest + 1;
  return valid >= 32 ? high >>> valid !== 0 : high !== 0 || low >>> valid !== 0;
}
