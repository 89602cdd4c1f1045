import type { Lane } from "@paddock/wire/lanes.ts";
import type { SideEntry } from "@paddock/store/types.ts";

/** Remembers frames of a batch by what each notes of itself: one entry for all of them, made when the batch is sealed. */
export interface NoteBook {
  /** `notes` are pairs of halves, in the order of the frames; `monotonicUs` is CLOCK_MONOTONIC in µs. */
  entry(lane: Lane, monotonicUs: number, notes: readonly number[]): SideEntry;
}

/** 64 bits in two 32-bit halves, and the book that they go into: the same for every frame. */
export interface FrameNote {
  readonly low: number;
  readonly high: number;
  readonly book: NoteBook;
}

/**
 * A frame that passed every check and waits to be made durable. The listeners use one object again and again: it is
 * valid during the call only, apart from `side` and `encodedSource`, which stay as they are.
 */
export interface IncomingFrame {
  readonly lane: Lane;
  /** The record's source, already a CBOR item (wire/record.ts `encodeSource`). */
  readonly encodedSource: Uint8Array;
  /** CoAP Content-Format. */
  readonly format: number;
  /** Valid during the call only: the sink copies it. At most FRAME_BYTES_MAX. */
  readonly frame: Uint8Array;
  /** CLOCK_MONOTONIC in µs at which the datagram was taken from the socket. */
  readonly receivedUs: number;
  /** State that must become durable in the same write, for example the sensor's replay window. */
  readonly side?: SideEntry | undefined;
  /** Whether somebody waits for the write; absent: whether there is a `committed`. */
  readonly waits?: boolean;
  /** Set where the frame has to be known again after a restart; valid during the call only. */
  readonly note?: FrameNote | undefined;
}

/** Why a frame was not taken. Nothing of it is stored; the sensor is told to come back. */
export interface Pressure {
  readonly reason: "store-full" | "queue-full" | "stopping";
  /** Seconds for Max-Age. */
  readonly retryAfterS: number;
}

/** Called once, after the synced write: undefined means durable and chained, else why it failed. */
export type Committed = (failure: Pressure | undefined) => void;

/** What the listeners need from the commit loop. */
export interface FrameSink {
  /**
   * Adds a frame to the open batch of its lane. Returns undefined when it was taken, and then calls `committed` (if
   * given) exactly once, later; returns the pressure when it was refused, and then never calls it. Where somebody
   * waits for the write, the batch closes as soon as the disk is free; a frame for which nobody does may linger for the
   * lane's configured time, also with `committed`.
   */
  submit(frame: IncomingFrame, committed?: Committed): Pressure | undefined;
}
