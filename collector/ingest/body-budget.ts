/** A shared allowance of bytes: what all uploads together may hold in memory. */
export class BodyBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A lease that starts empty. Close it when the bytes are let go. */
  open(): BodyLease {
    let heldBytes = 0;
    return {
      grow: (bytes) => {
        if (this.#usedBytes + bytes > this.#maxBytes) return false;
        this.#usedBytes += bytes;
        heldBytes += bytes;
        return true;
      },
      close: () => {
        this.#usedBytes -= heldBytes;
        heldBytes = 0;
      },
    };
  }
}

export interface BodyLease {
  /** Whether `bytes` more fit the budget; when they do, they are taken. */
  grow(bytes: number): boolean;
  /** Gives everything back. Closing twice is harmless. */
  close(): void;
}
