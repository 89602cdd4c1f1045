import { blockBytes, blockOffset, type Block } from "@paddock/wire/coap-block.ts";
import { EXCHANGE_LIFETIME_S } from "./duplicate-ring.ts";

/** What became of a block. */
export type BlockResult =
  /** Taken (again); the next one may come. */
  | { readonly kind: "continue" }
  /** The body is whole. `body` is good until the next call. */
  | { readonly kind: "complete"; readonly body: Uint8Array }
  /** The last block of a body that was handed out: `ticket` is what `finish` was told. */
  | { readonly kind: "repeated"; readonly ticket: number }
  /** Blocks before this one are missing. */
  | { readonly kind: "missing"; readonly detail: string }
  | { readonly kind: "too-large" }
  /** Not what RFC 7959 §2.2 allows. */
  | { readonly kind: "bad"; readonly detail: string };

interface Transfer {
  buffer: Uint8Array;
  /** Bytes of the body so far. */
  received: number;
  /** Where the last block started, once it came; -1 before. */
  lastStart: number;
  /** What `finish` said; -1 while the body is not handed out for good. */
  ticket: number;
  usedS: number;
}

const CONTINUE: BlockResult = { kind: "continue" };
const TOO_LARGE: BlockResult = { kind: "too-large" };
const FIRST_BUFFER_BYTES = 4096;
const NO_BYTES = new Uint8Array(0);

/**
 * Block1 bodies in the making (RFC 7959 §2.5), by a key over endpoint, Uri-Path, Uri-Query and Request-Tag. Bounded in
 * number, in bytes of all together and in age; the one that was idle longest gives way. Blocks come in order, and may
 * come smaller from some block on (RFC 7959 §2.3). The key says nothing of tokens: clients use a new one per block.
 */
export class BlockTransfers {
  /** In order of last use. */
  readonly #transfers = new Map<string, Transfer>();
  readonly #maxTransfers: number;
  readonly #maxBytes: number;
  readonly #maxBodyBytes: number;
  readonly #lifetimeS: number;
  #bytes = 0;

  constructor(options: {
    readonly maxTransfers: number;
    /** Of all bodies together; at least two of the largest bodies. */
    readonly maxBytes: number;
    readonly maxBodyBytes: number;
    readonly lifetimeS?: number;
  }) {
    this.#maxTransfers = options.maxTransfers;
    this.#maxBodyBytes = options.maxBodyBytes;
    this.#maxBytes = Math.max(options.maxBytes, options.maxBodyBytes * 2);
    this.#lifetimeS = options.lifetimeS ?? EXCHANGE_LIFETIME_S;
  }

  get size(): number {
    return this.#transfers.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes one block. `size1` is the announced size of the body, or -1. */
  take(key: string, block: Block, payload: Uint8Array, size1: number, nowS: number): BlockResult {
    this.#expire(nowS);
    const size = blockBytes(block.szx);
    if (block.more ? payload.length !== size : payload.length > size) {
      return { kind: "bad", detail: `A block of size ${size} has ${payload.length} bytes.` };
    }
    const start = blockOffset(block);
    const end = start + payload.length;
    if (Math.max(end, size1) > this.#maxBodyBytes) {
      this.drop(key);
      return TOO_LARGE;
    }
    // A body in one block needs no transfer; and the same body again is a new one, not a repeated last block.
    if (block.num === 0 && !block.more) {
      this.drop(key);
      return { kind: "complete", body: payload };
    }
    let transfer = this.#transfers.get(key);
    if (transfer !== undefined) {
      this.#transfers.delete(key);
      this.#transfers.set(key, transfer);
      transfer.usedS = nowS;
      const repeated = repeatOf(transfer, block, start, payload);
      if (repeated !== undefined) return repeated;
    }
    if (block.num === 0) transfer = this.#begin(key, Math.max(size1, FIRST_BUFFER_BYTES), nowS);
    if (transfer === undefined || transfer.lastStart >= 0 || start !== transfer.received) {
      const expected = transfer === undefined || transfer.lastStart >= 0 ? 0 : transfer.received;
      return { kind: "missing", detail: `The block starts at byte ${start}; byte ${expected} is next.` };
    }
    this.#grow(transfer, end);
    transfer.buffer.set(payload, start);
    transfer.received = end;
    if (block.more) return CONTINUE;
    transfer.lastStart = start;
    return { kind: "complete", body: transfer.buffer.subarray(0, end) };
  }

  /** The body was taken for good: only what recognises a repeated last block stays. */
  finish(key: string, ticket: number): void {
    const transfer = this.#transfers.get(key);
    if (transfer === undefined) return;
    const last = transfer.buffer.slice(transfer.lastStart, transfer.received);
    this.#bytes += last.length - transfer.buffer.length;
    transfer.buffer = last;
    transfer.ticket = ticket;
  }

  /** The body was not taken now, but may be later: the last block may come again. */
  keepLast(key: string): void {
    const transfer = this.#transfers.get(key);
    if (transfer === undefined || transfer.ticket >= 0) return;
    transfer.received = Math.max(0, transfer.lastStart);
    transfer.lastStart = -1;
  }

  /** The body was not stored after all: its last block alone is no use any more. */
  abandon(key: string, ticket: number): void {
    if (this.#transfers.get(key)?.ticket === ticket) this.drop(key);
  }

  drop(key: string): void {
    const transfer = this.#transfers.get(key);
    if (transfer === undefined) return;
    this.#bytes -= transfer.buffer.length;
    this.#transfers.delete(key);
  }

  #begin(key: string, bytes: number, nowS: number): Transfer {
    this.drop(key);
    if (this.#transfers.size >= this.#maxTransfers) this.#dropOldest();
    const transfer: Transfer = { buffer: NO_BYTES, received: 0, lastStart: -1, ticket: -1, usedS: nowS };
    this.#transfers.set(key, transfer);
    this.#grow(transfer, bytes);
    return transfer;
  }

  #grow(transfer: Transfer, needed: number): void {
    if (needed <= transfer.buffer.length) return;
    const length = Math.min(this.#maxBodyBytes, Math.max(needed, transfer.buffer.length * 2));
    const more = length - transfer.buffer.length;
    // The transfer itself is the youngest, and the bound holds two bodies: it is never its own victim.
    while (this.#bytes + more > this.#maxBytes) this.#dropOldest();
    const buffer = new Uint8Array(length);
    buffer.set(transfer.buffer.subarray(0, transfer.received));
    transfer.buffer = buffer;
    this.#bytes += more;
  }

  #expire(nowS: number): void {
    for (const [key, transfer] of this.#transfers) {
      if (nowS - transfer.usedS <= this.#lifetimeS) return;
      this.drop(key);
    }
  }

  #dropOldest(): void {
    for (const key of this.#transfers.keys()) {
      this.drop(key);
      return;
    }
  }
}

/** The answer to a block whose very bytes were taken before, or undefined. */
function repeatOf(transfer: Transfer, block: Block, start: number, payload: Uint8Array): BlockResult | undefined {
  const whole = transfer.ticket >= 0;
  if (whole) {
    if (block.more || start !== transfer.lastStart || !same(transfer.buffer, payload)) return undefined;
    return { kind: "repeated", ticket: transfer.ticket };
  }
  const end = start + payload.length;
  if (!block.more || end > transfer.received) return undefined;
  return same(transfer.buffer.subarray(start, end), payload) ? CONTINUE : undefined;
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
