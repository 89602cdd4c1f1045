import type { Random } from "@paddock/base/random.ts";

/** What a link does to what it carries, in one direction. */
export interface Impairment {
  /** One way. */
  readonly delayMs: number;
  /** Up to so much more or less delay, evenly drawn; datagrams may overtake each other, bytes of a stream never do. */
  readonly jitterMs: number;
  /** Of datagrams, or of the segments of a stream, which then come one round trip later. */
  readonly lossRate: number;
  readonly duplicateRate: number;
  /** Bits per second; infinite for no limit. */
  readonly rateBitPerS: number;
  /** Bytes that wait for the rate before datagrams are dropped at the tail. */
  readonly queueBytes: number;
}

export const CLEAN: Impairment = {
  delayMs: 0,
  jitterMs: 0,
  lossRate: 0,
  duplicateRate: 0,
  rateBitPerS: Number.POSITIVE_INFINITY,
  queueBytes: 256 * 1024,
};

/** TCP payload of a full IPv6 packet on Ethernet: what one loss takes along. */
const SEGMENT_BYTES = 1440;
/** The shortest time in which a sender notices a lost segment, whatever the delay. */
const RECOVERY_MIN_MS = 10;

/** What one direction remembers between two decisions. */
export class LinkDirection {
  #impairment: Impairment;
  readonly #random: Random;
  /** When the last byte accepted will have left at the rate of the link. */
  #freeAtMs = 0;
  #heldBack = 0;

  constructor(impairment: Impairment, random: Random) {
    this.#impairment = impairment;
    this.#random = random;
  }

  get impairment(): Impairment {
    return this.#impairment;
  }

  /** Datagrams and pieces of streams that were delayed on purpose. */
  get heldBack(): number {
    return this.#heldBack;
  }

  change(impairment: Impairment): void {
    this.#impairment = impairment;
  }

  /** When the copies of a datagram arrive, in ms on the caller's clock; none when it is lost. */
  datagram(bytes: number, nowMs: number): number[] {
    const { lossRate, duplicateRate } = this.#impairment;
    if (lossRate > 0 && this.#random.float() < lossRate) return [];
    const leftAtMs = this.#leave(bytes, nowMs, true);
    if (leftAtMs === undefined) return [];
    const arrivals = [leftAtMs + this.#delayMs()];
    if (duplicateRate > 0 && this.#random.float() < duplicateRate) arrivals.push(leftAtMs + this.#delayMs());
    return arrivals;
  }

  /** When a piece of a stream arrives: never lost, and not before `notBeforeMs`, when the piece before it does. */
  piece(bytes: number, nowMs: number, notBeforeMs: number): number {
    const { lossRate, delayMs } = this.#impairment;
    let arrivesMs = this.#leave(bytes, nowMs, false)! + this.#delayMs();
    if (lossRate > 0) {
      const segments = Math.max(1, Math.ceil(bytes / SEGMENT_BYTES));
      if (this.#random.float() < 1 - (1 - lossRate) ** segments) arrivesMs += Math.max(RECOVERY_MIN_MS, 2 * delayMs);
    }
    return Math.max(notBeforeMs, arrivesMs);
  }

  #leave(bytes: number, nowMs: number, drops: boolean): number | undefined {
    const { rateBitPerS, queueBytes } = this.#impairment;
    if (rateBitPerS === Number.POSITIVE_INFINITY) return nowMs;
    const startsMs = Math.max(nowMs, this.#freeAtMs);
    const bytesPerMs = rateBitPerS / 8000;
    if (drops && (startsMs - nowMs) * bytesPerMs > queueBytes) return undefined;
    this.#freeAtMs = startsMs + bytes / bytesPerMs;
    return this.#freeAtMs;
  }

  #delayMs(): number {
    const { delayMs, jitterMs } = this.#impairment;
    const drawnMs = jitterMs === 0 ? delayMs : Math.max(0, delayMs + jitterMs * (this.#random.float() * 2 - 1));
    if (drawnMs > 0) this.#heldBack++;
    return drawnMs;
  }
}
