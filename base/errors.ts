import { remedyByCause } from "./os-remedies.ts";

/**
 * Operational failures: a stable code, what the program does about it, and what a person can do.
 * docs/operations.md prints this table; a test keeps the two equal.
 *
 * Dispositions: `retry` the program tries again by itself; `degrade` it goes on with less; `fatal` it ends, and
 * starting it again is the repair; `usage` the person at the command line has to change something.
 */
export type Disposition = "retry" | "degrade" | "fatal" | "usage";

export interface ErrorEntry {
  readonly disposition: Disposition;
  readonly meaning: string;
  readonly remedy: string;
}

export const ERROR_TABLE = {
  CONFIG_UNREADABLE: {
    disposition: "usage",
    meaning: "The configuration file cannot be read or is not JSON.",
    remedy: "Check the path after --config and the JSON syntax at the place named.",
  },
  CONFIG_INVALID: {
    disposition: "usage",
    meaning: "The configuration does not fit the schema.",
    remedy: "Correct the field named in the message; --print-config shows every key with its default.",
  },
  USAGE: {
    disposition: "usage",
    meaning: "The command line is not understood.",
    remedy: "See --help of the command.",
  },
  DATA_DIR_UNUSABLE: {
    disposition: "fatal",
    meaning: "The data directory cannot be made, written or read by the user that runs the program.",
    remedy: "Make it for that user, as root: install -d -o USER -m 700 DIRECTORY; or name another one as dataDir.",
  },
  IDENTITY_UNREADABLE: {
    disposition: "fatal",
    meaning: "The identity key file is damaged, missing a part, or readable by others.",
    remedy: "Restore the file from a backup with mode 0600, or move it away to start as a new identity.",
  },
  IDENTITY_MISMATCH: {
    disposition: "fatal",
    meaning: "The store holds chains of another identity than the key's.",
    remedy: "Bring back the key file that belongs to the store, or move the store away to start as somebody new.",
  },
  STORE_LOCKED: {
    disposition: "fatal",
    meaning: "Another process holds the store open.",
    remedy: "Stop the other process; two writers would fork the chain.",
  },
  STORE_DAMAGED: {
    disposition: "fatal",
    meaning: "The store cannot be opened, or the tail of a chain does not verify.",
    remedy: "Copy the directory away for evidence and run `paddock gateway chain verify`.",
  },
  STORE_READ_FAILED: {
    disposition: "fatal",
    meaning: "The disk did not give back a part of the store; what is on it may still be good.",
    remedy: "Start again; check the disk if it repeats.",
  },
  STORE_WRITE_FAILED: {
    disposition: "fatal",
    meaning: "A durable write failed, so it is unknown what is on disk.",
    remedy: "The process ends and recovers from disk at the next start; check the disk if it repeats.",
  },
  STORE_FULL: {
    disposition: "degrade",
    meaning: "The quota or the free-space floor is reached and the lane's policy is to refuse.",
    remedy: "Restore an uplink, raise store.maxBytes, or choose evict-oldest for the lane.",
  },
  LISTEN_FAILED: {
    disposition: "fatal",
    meaning: "A listening address or socket cannot be bound.",
    remedy: "Check that the address exists on this machine and that nothing else listens there.",
  },
  STATUS_UNREACHABLE: {
    disposition: "usage",
    meaning: "The socket of a running program cannot be reached.",
    remedy: "Check that it runs and that --config or --socket names its socket.",
  },
  COLLECTOR_REFUSED: {
    disposition: "usage",
    meaning: "The collector does not do what a command asked of it.",
    remedy: "The message says why.",
  },
  SINK_UNAVAILABLE: {
    disposition: "retry",
    meaning: "What a sink of the collector writes to is away, full or busy.",
    remedy: "Bring it back; the sink goes on by itself where it was, and nothing is lost meanwhile.",
  },
  SINK_REFUSED: {
    disposition: "degrade",
    meaning: "What a sink of the collector writes to does not take it, or holds what is not this sink's.",
    remedy: "Change what the message names; the sink tries again by itself.",
  },
  QUERY_FAILED: {
    disposition: "usage",
    meaning: "DuckDB does not run a query, in its own words, or the query would do more than read.",
    remedy: "Correct the SQL; docs/data.md names the columns and shows queries to begin with.",
  },
  SCENARIO_INVALID: {
    disposition: "usage",
    meaning: "The scenario file does not fit its schema.",
    remedy: "Correct the field named in the message.",
  },
  PROOF_INVALID: {
    disposition: "usage",
    meaning: "A proof file does not verify, or is not a proof file.",
    remedy: "Export it again from the collector; if it still fails, the evidence does not hold.",
  },
  IMAGE_INVALID: {
    disposition: "usage",
    meaning: "An image, its block map, checksums or signature do not hold, or it is for another board.",
    remedy: "Download it again with all files beside it.",
  },
  DEVICE_REFUSED: {
    disposition: "usage",
    meaning: "A disk is not written to: it is in use, built in, too small, or not there.",
    remedy: "Look with paddock flash --list for the disks that can be written.",
  },
  FLASH_FAILED: {
    disposition: "fatal",
    meaning: "A disk failed while it was written or read back.",
    remedy: "Plug it in again and flash it anew; take another one if it repeats.",
  },
  DATA_LOCKED: {
    disposition: "fatal",
    meaning: "The data partition of an image cannot be opened: another machine's TPM has its key, or it is damaged.",
    remedy:
      "Put the disk back into its machine, or begin anew with a file factory-reset in CONFIG, which loses what is on it.",
  },
  TPM_REFUSED: {
    disposition: "degrade",
    meaning: "The TPM cannot be reached, or does not do what it is asked to.",
    remedy: "See the code in the message; a firmware update may have cleared the TPM, or its owner set a password.",
  },
  RESET_FAILED: {
    disposition: "fatal",
    meaning: "A factory reset could not erase the data partition or its key, or reads back something else.",
    remedy: "Start again; if it repeats, destroy the disk: what it holds cannot be erased.",
  },
  UPDATE_UNSUPPORTED: {
    disposition: "usage",
    meaning: "This machine does not run a release from an image, or its disk is not laid out like one.",
    remedy: "Update it the way it was installed; an image is flashed with `paddock flash`.",
  },
  UPDATE_INVALID: {
    disposition: "usage",
    meaning: "A release is damaged, cut short, not signed by a key of this image, or for another board.",
    remedy: "Take it again from the people who made it; nothing was changed.",
  },
  UPDATE_REFUSED: {
    disposition: "usage",
    meaning: "An update would be a step back, or comes at a time when none may.",
    remedy: "See paddock gateway update status.",
  },
  UPDATE_SOURCE: {
    disposition: "retry",
    meaning: "A release cannot be fetched: the server or file cannot be read, or the server answers wrongly.",
    remedy: "Run the command again: it goes on with what is there already. Or take another server, or --file.",
  },
  UPDATE_FAILED: {
    disposition: "retry",
    meaning: "A release could not be written. The one that runs is untouched.",
    remedy: "Run the command again: it goes on with what is there already. If it repeats, the disk fails.",
  },
  BFD_INVALID: {
    disposition: "usage",
    meaning: "A BFD session or command has a value that RFC 5880 or this machine does not allow.",
    remedy: "Correct the field named in the message.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** A failure that operation can meet; anything else that is thrown is a programmer error and ends the process. */
export class PaddockError extends Error {
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  /** What a person can do about this one; by default what the table says of its code. */
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; remedy?: string | undefined }) {
    super(message, options);
    this.name = "PaddockError";
    this.code = code;
    this.disposition = ERROR_TABLE[code].disposition;
    this.remedy = options?.remedy ?? remedyByCause(code, options?.cause) ?? ERROR_TABLE[code].remedy;
  }

  /** One line with everything a person needs, for the edge of a program. */
  explain(): string {
    return `${this.code}: ${this.message} ${this.remedy}`;
  }
}

/** What went wrong, as text, whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
