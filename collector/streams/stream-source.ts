import type { Ledger } from "../ledger.ts";
import { growth, readRendered } from "../log/log-reader.ts";
import { logName } from "../log/log-place.ts";

/** What is read by the Durable Streams protocol: bytes or JSON messages behind each other, each place a whole number. */
export interface StreamSource {
  /** 32 hex digits, the same as long as places mean the same; part of every offset. */
  readonly name: string;
  /** `application/json` is read as messages, every other type as bytes. */
  readonly contentType: string;
  /** The place behind all that there is. */
  end(): number;
  /** What stands from a place on, a bounded piece of it; of JSON one message a line. */
  read(from: number): Promise<StreamChunk>;
  /** Resolves once there is something at or behind a place, or when `signal` aborts. */
  growth(beyond: number, signal: AbortSignal): Promise<void>;
}

export interface StreamChunk {
  readonly bytes: Buffer;
  /** The place behind it. */
  readonly next: number;
}

/** A piece ends with the batch that reaches this; a batch has at most 256 KiB of payload. */
const CHUNK_BYTES = 1024 * 1024;

/** The log of a ledger as one stream of JSON messages: the lines of `GET /v1/log`. */
export function logStream(ledger: Ledger): StreamSource {
  return {
    name: logName(ledger),
    contentType: "application/json",
    end: () => ledger.logEnd(),
    growth: (beyond, signal) => growth(ledger, beyond, signal),
    async read(from) {
      const pieces: Buffer[] = [];
      let length = 0;
      let next = from;
      const request = { from, limit: undefined, follow: false, format: "ndjson" } as const;
      for await (const { bytes, nextOffset } of readRendered(ledger, request, new AbortController().signal)) {
        pieces.push(bytes);
        length += bytes.length;
        next = nextOffset;
        if (length >= CHUNK_BYTES) break;
      }
      return { bytes: Buffer.concat(pieces), next };
    },
  };
}
