/** How long a message is remembered: EXCHANGE_LIFETIME of RFC 7252 §4.8.2, in seconds. */
export const EXCHANGE_LIFETIME_S = 247;

/** What `codeOf` says of a message whose answer is not decided yet. */
export const PENDING = 0;

/**
 * The messages that were taken lately, for telling copies from new ones (docs/protocol.md §1.3). Bounded by a fixed
 * number of entries of 21 bytes, made once; the oldest gives way to the newest. Keys are 64-bit hashes over endpoint and
 * bytes, in two halves. Only what was taken is remembered: a refusal is cheaper to repeat than to keep, and a message
 * that was refused for want of room deserves a new try.
 *
 * Open addressing with linear probing over slots of the ring, deletion by shifting back (Knuth 6.4 R), at most half full.
 */
export class DuplicateRing {
  readonly #slotMask: number;
  readonly #tableMask: number;
  readonly #lifetimeS: number;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  readonly #addedS: Uint32Array;
  readonly #tickets: Uint32Array;
  readonly #codes: Uint8Array;
  /** 0, or a slot plus 1. */
  readonly #table: Int32Array;
  #next = 1;
  #size = 0;

  /** `capacity` entries, rounded up to a power of two. */
  constructor(capacity: number, lifetimeS: number = EXCHANGE_LIFETIME_S) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, capacity)));
    this.#slotMask = slots - 1;
    this.#tableMask = slots * 2 - 1;
    this.#lifetimeS = lifetimeS;
    this.#low = new Int32Array(slots);
    this.#high = new Int32Array(slots);
    this.#addedS = new Uint32Array(slots);
    this.#tickets = new Uint32Array(slots);
    this.#codes = new Uint8Array(slots);
    this.#table = new Int32Array(slots * 2);
  }

  get size(): number {
    return this.#size;
  }

  get capacity(): number {
    return this.#slotMask + 1;
  }

  /** The ticket of the entry with this key that is not too old, or 0. */
  find(low: number, high: number, nowS: number): number {
    const table = this.#table;
    for (let at = low & this.#tableMask; table[at] !== 0; at = (at + 1) & this.#tableMask) {
      const slot = table[at]! - 1;
      if (this.#low[slot] !== low || this.#high[slot] !== high) continue;
      return nowS - this.#addedS[slot]! <= this.#lifetimeS ? this.#tickets[slot]! : 0;
    }
    return 0;
  }

  /** Remembers a message as pending and returns its ticket. The key must not be there, or be too old. */
  add(low: number, high: number, nowS: number): number {
    const slot = this.#next & this.#slotMask;
    if (this.#tickets[slot] !== 0) this.#remove(slot);
    const ticket = this.#next;
    this.#next = (this.#next + 1) >>> 0;
    if (this.#next === 0) this.#next = this.capacity;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#addedS[slot] = nowS;
    this.#tickets[slot] = ticket;
    this.#codes[slot] = PENDING;
    let at = low & this.#tableMask;
    for (; this.#table[at] !== 0; at = (at + 1) & this.#tableMask) {
      const other = this.#table[at]! - 1;
      // The same key, too old: the new entry takes its place in the table.
      if (this.#low[other] === low && this.#high[other] === high) {
        this.#tickets[other] = 0;
        this.#size--;
        break;
      }
    }
    this.#table[at] = slot + 1;
    this.#size++;
    return ticket;
  }

  /** The code that answered the message, or PENDING. 0 also when the entry gave way meanwhile. */
  codeOf(ticket: number): number {
    const slot = ticket & this.#slotMask;
    return this.#tickets[slot] === ticket ? this.#codes[slot]! : PENDING;
  }

  /** Notes the answer. Without effect when the entry gave way meanwhile. */
  settle(ticket: number, code: number): void {
    const slot = ticket & this.#slotMask;
    if (this.#tickets[slot] === ticket) this.#codes[slot] = code;
  }

  /** Forgets a message that was not stored after all, so that a retransmission is a new try. */
  forget(ticket: number): void {
    const slot = ticket & this.#slotMask;
    if (ticket !== 0 && this.#tickets[slot] === ticket) this.#remove(slot);
  }

  #remove(slot: number): void {
    const table = this.#table;
    const mask = this.#tableMask;
    let hole = this.#low[slot]! & mask;
    while (table[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#low[table[at]! - 1]! & mask;
      // An entry may move into the hole only if its home does not lie behind the hole.
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        table[hole] = table[at]!;
        hole = at;
      }
    }
    table[hole] = 0;
    this.#tickets[slot] = 0;
    this.#size--;
  }
}
