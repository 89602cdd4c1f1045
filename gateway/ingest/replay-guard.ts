import type { Lane } from "@paddock/wire/lanes.ts";
import {
  EMPTY_REPLAY_WINDOW,
  judgeSequence,
  recordSequence,
  REPLAY_WINDOW_WIDTH,
  type ReplayWindow,
} from "@paddock/wire/replay-window.ts";
import type { Committed, Pressure } from "../commit/frame-sink.ts";
import { encodeReplayState, REMEMBERED_TAGS, REMEMBERED_TAGS_MAX, type ReplayState } from "./replay-state.ts";

/** A frame whose write is under way. */
export interface PendingFrame {
  readonly sequence: number;
  readonly lane: Lane;
  readonly tag: string;
  /** Copies that wait for the same write, WAITERS_MAX at most. */
  readonly waiters: Committed[];
}

/**
 * Copies that wait for one write. A sensor sends a message five times at most (MAX_RETRANSMIT, RFC 7252 §4.8), from a
 * few addresses perhaps; whoever sends more of them is no sensor, and a stalled disk must not make an answer of each.
 */
export const WAITERS_MAX = 16;

export type ReplayVerdict =
  | "new"
  /** A copy of a frame that is durable. */
  | "stored"
  /** A number that was used for other bytes, or is too old, or whose bytes nobody remembers. */
  | "refused"
  /** A copy of a frame whose write is under way. */
  | PendingFrame;

/**
 * The sequence numbers of one keyed sensor (docs/protocol.md §1.3). A number counts as used once its frame is durable.
 * While the write is under way it is pending: a copy waits for the same write, and if that fails the number is free again.
 *
 * Each lane has its own durable state, because lanes are written independently of each other: one state for all would
 * count a number as used which another lane's failed write gave back, or lose one which another lane wrote meanwhile.
 */
export class ReplayGuard {
  readonly #fingerprint: Uint8Array;
  readonly #pending = new Map<number, PendingFrame>();
  /** Tags of durable frames within the window, in the order in which they became durable. */
  readonly #tags = new Map<number, { readonly tag: string; readonly lane: Lane }>();
  readonly #laneWindows: [ReplayWindow, ReplayWindow, ReplayWindow] = [
    EMPTY_REPLAY_WINDOW,
    EMPTY_REPLAY_WINDOW,
    EMPTY_REPLAY_WINDOW,
  ];
  #window: ReplayWindow = EMPTY_REPLAY_WINDOW;
  /** Numbers passed over and not seen since. */
  gaps = 0;

  /** `restored` holds the states that were written for this sensor under the key that the fingerprint stands for. */
  constructor(fingerprint: Uint8Array, restored: readonly (readonly [Lane, ReplayState])[] = []) {
    this.#fingerprint = fingerprint;
    for (const [lane, { window, tags }] of restored) {
      this.#laneWindows[lane] = window;
      this.#window = unite(this.#window, window);
      for (const [sequence, tag] of tags) this.#tags.set(sequence, { tag, lane });
    }
    this.#forgetOld();
  }

  /** The highest durable sequence number, or -1. */
  get highest(): number {
    return this.#window.highest;
  }

  /** Frames remembered one by one: at most twice the window's width and what is pending. */
  get size(): number {
    return this.#pending.size + this.#tags.size;
  }

  /** `tag` is the head of the frame's tag in hex; the tag must have been verified. */
  judge(sequence: number, tag: string): ReplayVerdict {
    const pending = this.#pending.get(sequence);
    if (pending !== undefined) return pending.tag === tag ? pending : "refused";
    if (judgeSequence(this.#window, sequence) === "new") return "new";
    return this.#tags.get(sequence)?.tag === tag ? "stored" : "refused";
  }

  /** Notes a new frame as pending and returns the state of its lane to write with it. */
  begin(sequence: number, tag: string, lane: Lane): { readonly frame: PendingFrame; readonly state: Buffer } {
    const frame: PendingFrame = { sequence, lane, tag, waiters: [] };
    this.#pending.set(sequence, frame);
    return { frame, state: this.#encodeState(lane) };
  }

  /** The frame was not submitted after all. */
  cancel(frame: PendingFrame): void {
    this.#pending.delete(frame.sequence);
  }

  /** The write is done, well or not. The copies that waited are told once the number is settled. */
  settle(frame: PendingFrame, failure: Pressure | undefined): void {
    this.#pending.delete(frame.sequence);
    if (failure === undefined) this.#advance(frame);
    for (const waiter of frame.waiters) waiter(failure);
  }

  /** All that is durable or pending in a lane: writes of one lane become durable in the order of their submission. */
  #encodeState(lane: Lane): Buffer {
    let window = this.#laneWindows[lane];
    const tags: [number, string][] = [];
    let pending = 0;
    for (const [sequence, { lane: of, tag }] of this.#tags) if (of === lane) tags.push([sequence, tag]);
    for (const { sequence, lane: of, tag } of this.#pending.values()) {
      if (of !== lane) continue;
      window = recordSequence(window, sequence);
      tags.push([sequence, tag]);
      pending++;
    }
    // All that may stand in the batch that this state is written with: its answers are lost when the gateway dies.
    return encodeReplayState(this.#fingerprint, {
      window,
      tags: new Map(tags.slice(-Math.min(Math.max(pending, REMEMBERED_TAGS), REMEMBERED_TAGS_MAX))),
    });
  }

  #advance({ sequence, lane, tag }: PendingFrame): void {
    const before = this.#window.highest;
    if (before >= 0) {
      if (sequence > before) this.gaps += sequence - before - 1;
      else this.gaps = Math.max(0, this.gaps - 1);
    }
    this.#laneWindows[lane] = recordSequence(this.#laneWindows[lane], sequence);
    this.#window = recordSequence(this.#window, sequence);
    this.#tags.set(sequence, { tag, lane });
    if (this.#tags.size > 2 * REPLAY_WINDOW_WIDTH) this.#forgetOld();
  }

  /** Tags below the window are of no use: their numbers are refused as too old. */
  #forgetOld(): void {
    for (const sequence of this.#tags.keys()) {
      if (judgeSequence(this.#window, sequence) === "old") this.#tags.delete(sequence);
    }
  }
}

function unite(one: ReplayWindow, other: ReplayWindow): ReplayWindow {
  let united = one;
  for (let sequence = other.highest - REPLAY_WINDOW_WIDTH; sequence <= other.highest; sequence++) {
    // No window has seen a number below zero, so none comes out of here.
    if (judgeSequence(other, sequence) === "duplicate") united = recordSequence(united, sequence);
  }
  return united;
}
