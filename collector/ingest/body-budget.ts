/** An allowance of bytes: what uploads together may hold in memory. One inside another counts in both. */
export class BodyBudget {
  readonly #maxBytes: number;
  readonly #outer: BodyBudget | undefined;
  #usedBytes = 0;

  constructor(maxBytes: number, outer?: BodyBudget) {
    this.#maxBytes = maxBytes;
    this.#outer = outer;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A lease that starts empty. Close it when the bytes are let go. */
  open(): BodyLease {
    let heldBytes = 0;
    return {
      grow: (bytes) => {
        if (!this.#take(bytes)) return false;
        heldBytes += bytes;
        return true;
      },
      close: () => {
        this.#give(heldBytes);
        heldBytes = 0;
      },
    };
  }

  #take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false;
    if (this.#outer !== undefined && !this.#outer.#take(bytes)) return false;
    this.#usedBytes += bytes;
    return true;
  }

  #give(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.#outer !== undefined) this.#outer.#give(bytes);
  }
}

export interface BodyLease {
  /** Whether `bytes` more fit the budget; when they do, they are taken. */
  grow(bytes: number): boolean;
  /** Gives everything back. Closing twice is harmless. */
  close(): void;
}
