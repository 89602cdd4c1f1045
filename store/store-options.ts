import type { Clock } from "@paddock/base/clock.ts";
import type { Damage } from "./damage.ts";
import type { KeyValueDatabase } from "./database.ts";

export interface ChainStoreOptions {
  /** Where the store lives; made when it does not exist. */
  readonly directory?: string;
  /** Instead of a directory: an unopened database. It has no ballast. */
  readonly database?: KeyValueDatabase;
  /** Bytes that may be held, by own accounting. */
  readonly maxBytes: number;
  /** Bytes that must stay free on the disk. */
  readonly minFreeBytes: number;
  /** Bytes of the file that is given up when the disk runs short. 0: none. */
  readonly ballastBytes: number;
  /** Whether arrivals are numbered and can be replayed: a ledger. */
  readonly arrivalLog: boolean;
  /** Whether batches may arrive ahead of their predecessors; by default as `arrivalLog`. */
  readonly outOfOrder?: boolean;
  readonly clock: Clock;
  /** To look and change nothing: no repair, no ballast; writes reject. A directory is opened as a private copy of it. */
  readonly readOnly?: boolean;
  /** Told of every damaged place once: at the start, by a read that came across it, or by `verifyStore`. */
  readonly onDamage?: (found: Damage) => void;
  /** Free bytes of the disk; by default what the file system says, without limit for a `database`. */
  readonly freeBytes?: () => number;
  /** Bytes of the newest batches that stay in memory, so that who reads them at once needs no disk; by default 0. */
  readonly hotBytes?: number;
  /** Deleted bytes after which their room is given back to the disk; by default 64 MiB. */
  readonly compactAfterBytes?: number;
}
