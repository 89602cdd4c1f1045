import type { Outcome } from "@paddock/base/outcome.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import type { PathConfig } from "../paths/path-config.ts";

/** Names a chain of this gateway. */
export interface ChainName {
  readonly lane: Lane;
  readonly epoch: number;
}

/** One chain that has, or may get, something to send. */
export interface ChainBacklog extends ChainName {
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
  read(chain: ChainName, first: number, last: number, maxBytes: number): Promise<readonly EncodedBatch[]>;
  /**
   * Makes a receipt durable. After this, `backlog` no longer names `confirmed`: the seqs that the collector has just
   * compared with what it holds. What else the receipt names counts only where its `head` proves that the collector
   * holds the very batches that are stored here: after a restored backup the same seqs may be other batches. What the
   * receipt calls bare never counts while its payload is stored here. Rejects a receipt that is not for the chain asked.
   */
  acknowledge(asked: ChainName, receipt: Receipt, encoded: Uint8Array, confirmed: Ranges): Promise<void>;
  /** Registers the callback for "a batch became durable in this chain". */
  onSealed(callback: (lane: Lane, epoch: number, seq: number) => void): void;
}

export type LinkFailure =
  /** No answer, connection broken or not to be had. */
  | "unreachable"
  /** The collector has not looked at it, and says so: it may go out again at once. */
  | "not-processed"
  /** The peer is not the configured collector. */
  | "identity"
  /** A receipt says that what was sent with its payload is held without: something in between took the payload out. */
  | "stripped"
  /** 429, 503 or 507. */
  | "busy"
  /** 403: waiting for the operator's yes. */
  | "not-enrolled"
  /** 409. */
  | "fork"
  /** 400, 401, 413 or a response that does not decode. */
  | "refused";

/** What went wrong with a request; `retryAfterMs` when the collector named a time. */
export interface LinkRefusal {
  readonly ok: false;
  readonly reason: LinkFailure;
  readonly detail: string;
  readonly retryAfterMs?: number | undefined;
}

export type LinkOutcome<Value> = { readonly ok: true; readonly value: Value } | LinkRefusal;

export interface VerifiedReceipt {
  readonly receipt: Receipt;
  readonly encoded: Uint8Array;
}

/** What the collector says about this gateway's enrolment. */
export type EnrolmentState = "approved" | "pending" | "denied";

export interface EnrolmentAnswer {
  readonly state: EnrolmentState;
  /** The claim code did not admit this gateway: it is not known there, or was used. */
  readonly claimNotTaken: boolean;
}

/** One connection to the collector over one path. uplink/forward/collector-link.ts implements it over HTTP/2. */
export interface CollectorLink {
  upload(chain: ChainName, body: Uint8Array, signal: AbortSignal): Promise<LinkOutcome<VerifiedReceipt>>;
  receipt(chain: ChainName, signal: AbortSignal): Promise<LinkOutcome<VerifiedReceipt>>;
  /** Hands in an encoded enrolment request (wire/enrolment.ts). */
  enrol(request: Uint8Array, signal: AbortSignal): Promise<LinkOutcome<EnrolmentAnswer>>;
  /** Asks what the collector wants this gateway to do: an encoded directive (wire/directive.ts), or nothing. */
  directive(signal: AbortSignal): Promise<LinkOutcome<Uint8Array | undefined>>;
  /** Registers the callback for "the connection is gone"; called once, and not after `close`. */
  onClosed(callback: (detail: string) => void): void;
  /** Registers the callback for "no new requests are taken"; what is under way may still be answered. */
  onRetiring(callback: (detail: string) => void): void;
  /** Bytes in both directions so far, as a carrier would count them. */
  bytesUsed(): number;
  close(): void;
}

/** An open link and how long opening it took. */
export interface OpenedLink {
  readonly link: CollectorLink;
  /** From the first SYN to a session that takes requests, in ms: at least two round trips. */
  readonly handshakeMs: number;
}

/** Opens a connection over a path. Never rejects. `hurry`: at the price of a few packets, whoever comes back is found soon. */
export type OpenLink = (
  path: PathConfig,
  signal: AbortSignal,
  hurry?: boolean,
) => Promise<Outcome<OpenedLink, LinkFailure>>;
