import type { Outcome } from "@paddock/base/outcome.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";

/** One chain that has, or may get, something to send. */
export interface ChainBacklog {
  readonly lane: Lane;
  readonly epoch: number;
  /** Seqs stored and not acknowledged. */
  readonly pending: Ranges;
  /** Of `pending`. */
  readonly bytes: number;
  readonly records: number;
}

/** What the forwarder needs from the buffer; gateway/compose.ts adapts the store to it. */
export interface BatchSource {
  backlog(): readonly ChainBacklog[];
  /** Batches from `first` on, in ascending seq without a gap, as many as fit `maxBytes` (at least one if stored). */
  read(chain: { lane: Lane; epoch: number }, first: number, last: number, maxBytes: number): Promise<readonly EncodedBatch[]>;
  /** Makes a receipt durable. After this, `backlog` no longer names what it holds. */
  acknowledge(receipt: Receipt, encoded: Uint8Array): Promise<void>;
  /** Registers the callback for "a batch became durable in this chain". */
  onSealed(callback: (lane: Lane, epoch: number, seq: number) => void): void;
}

/** What a path's liveness watcher says. `unknown` (no watcher, or it died) leaves the decision to the receipts. */
export type Liveness = "up" | "down" | "unknown";

export interface PathConfig {
  readonly name: string;
  /** Local address to bind, or undefined to let the kernel choose. */
  readonly source?: string;
  /** https URL of the collector on this path. */
  readonly endpoint: string;
  /** Higher is preferred. */
  readonly preference: number;
}

export type LinkFailure =
  /** No answer, connection broken or not to be had. */
  | "unreachable"
  /** The peer is not the configured collector. */
  | "identity"
  /** 429 or 503. */
  | "busy"
  /** 403: waiting for the operator's yes. */
  | "not-enrolled"
  /** 409. */
  | "fork"
  /** 400, 401, 413 or a response that does not decode. */
  | "refused";

/** One connection to the collector over one path. uplink/forward/collector-link.ts implements it over HTTP/2. */
export interface CollectorLink {
  upload(
    chain: { lane: Lane; epoch: number },
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Outcome<{ receipt: Receipt; encoded: Uint8Array }, LinkFailure> & { retryAfterMs?: number }>;
  receipt(
    chain: { lane: Lane; epoch: number },
    signal: AbortSignal,
  ): Promise<Outcome<{ receipt: Receipt; encoded: Uint8Array }, LinkFailure>>;
  close(): void;
}
