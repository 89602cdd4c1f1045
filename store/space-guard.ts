import type { Clock } from "@paddock/base/clock.ts";
import type { Ballast } from "./ballast.ts";
import type { Shortage } from "./types.ts";

export interface SpaceLimits {
  /** Bytes that the store may hold by its own accounting. */
  readonly maxBytes: number;
  /** Bytes that must stay free on the disk. */
  readonly minFreeBytes: number;
}

/** Why there is no room, as a sentence and in figures. */
export interface Full {
  readonly detail: string;
  readonly shortage: Shortage;
}

/** Bytes charged for a batch beyond its header and payload: two keys, log entry, table overhead. */
export const BATCH_OVERHEAD_BYTES = 192;
/** Free space is asked for at least this often. */
const FREE_CHECK_MS = 1000;

/**
 * Decides before each write whether there is room, by own accounting and by the free space of the disk: LevelDB must
 * never see a full disk, because its own failure there can damage it (google/leveldb#1180).
 *
 * The last part of the quota and the lower half of the free-space floor are kept for writes that make room: evictions
 * with their loss record. Acknowledgements and trims are never refused.
 */
export class SpaceGuard {
  readonly #limits: SpaceLimits;
  readonly #reserveBytes: number;
  readonly #freeBytes: () => number;
  readonly #ballast: Ballast | undefined;
  readonly #clock: Clock;
  #bytes = 0;
  #lastFree = 0;
  #lastCheckUs = -Infinity;
  #writtenSince = 0;

  constructor(limits: SpaceLimits, freeBytes: () => number, ballast: Ballast | undefined, clock: Clock) {
    this.#limits = limits;
    this.#reserveBytes = Math.min(1 << 20, Math.floor(limits.maxBytes / 16));
    this.#freeBytes = freeBytes;
    this.#ballast = ballast;
    this.#clock = clock;
  }

  /** Bytes held, by own accounting. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Changes what is held; negative after deletes. */
  account(bytes: number): void {
    this.#bytes += bytes;
    this.#writtenSince += Math.max(0, bytes);
  }

  /** Bytes over the quota if `growth` were added; 0 or less when it fits. */
  quotaExcess(growth: number, makesRoom: boolean): number {
    return this.#bytes + growth - this.#limits.maxBytes + (makesRoom ? 0 : this.#reserveBytes);
  }

  /** Why a write that adds `growth` bytes net and writes `written` bytes has no room, or undefined. */
  refusal(growth: number, written: number, makesRoom: boolean): Full | undefined {
    const { maxBytes, minFreeBytes } = this.#limits;
    const excess = this.quotaExcess(growth, makesRoom);
    if (growth > 0 && excess > 0) {
      return {
        detail: `${written} bytes do not fit: ${this.#bytes} of ${maxBytes} bytes are held; raise store.maxBytes.`,
        shortage: { cause: "quota", wantedBytes: growth, heldBytes: this.#bytes, maxBytes },
      };
    }
    if (written === 0) return undefined;
    const free = this.free(written);
    // What the ballast gave up is not for ordinary writes, else it would be gone when deleting needs it.
    const givenUp = this.#ballast === undefined || this.#ballast.held ? 0 : this.#ballast.bytes;
    const floor = makesRoom ? minFreeBytes / 2 : minFreeBytes + givenUp;
    if (free - written >= floor) return undefined;
    return {
      detail: `${written} bytes do not fit: the disk has ${free} bytes free and store.minFreeBytes is ${minFreeBytes}.`,
      shortage: { cause: "disk", wantedBytes: written, freeBytes: free, minFreeBytes },
    };
  }

  /** Free bytes of the disk: asked for again when it is old or may have come near the floor. */
  free(upcoming = 0): number {
    const now = this.#clock.monotonicUs();
    // A byte costs about two on disk: the log and the table that it moves to.
    const estimate = this.#lastFree - 2 * this.#writtenSince - 2 * upcoming;
    if (estimate >= this.#limits.minFreeBytes && now - this.#lastCheckUs < FREE_CHECK_MS * 1000) {
      return this.#lastFree - 2 * this.#writtenSince;
    }
    return this.measure(upcoming);
  }

  /** Free bytes of the disk at this moment. */
  measure(upcoming = 0): number {
    this.#lastFree = this.#freeBytes();
    this.#lastCheckUs = this.#clock.monotonicUs();
    this.#writtenSince = 0;
    this.#steerBallast(upcoming);
    return this.#lastFree;
  }

  #steerBallast(upcoming: number): void {
    const ballast = this.#ballast;
    if (ballast === undefined) return;
    const { minFreeBytes } = this.#limits;
    if (ballast.held && this.#lastFree - upcoming < minFreeBytes) ballast.release();
    else if (!ballast.held && this.#lastFree > minFreeBytes + 2 * ballast.bytes) void ballast.reserve();
  }
}
