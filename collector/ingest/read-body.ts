import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { constants, zstdDecompress } from "node:zlib";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { BodyLease } from "./body-budget.ts";

export type BodyProblem =
  | "too-large"
  /** The shared budget of bytes is used up. */
  | "busy"
  /** No byte for too long, or too long in all. */
  | "timeout"
  /** The sender went away. */
  | "aborted"
  /** The body is not in the encoding that its header names. */
  | "encoding";

export interface BodyLimits {
  readonly maxBytes: number;
  readonly idleMs: number;
  readonly totalMs: number;
}

/** Collects a request body within bounds. Never rejects; on a refusal the rest of the body is left unread. */
export function readBody(
  source: Readable,
  limits: BodyLimits,
  lease: BodyLease,
  clock: Clock,
): Promise<Outcome<Buffer, BodyProblem>> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (outcome: Outcome<Buffer, BodyProblem>): void => {
      idle.cancel();
      total.cancel();
      source.off("data", onData).off("end", onEnd).off("close", onGone).off("aborted", onGone);
      if (!outcome.ok) source.pause();
      resolve(outcome);
    };
    const tooSlow = (): void =>
      finish(refuse("timeout", `The body did not arrive in time: ${length} bytes and no more.`));
    const onEnd = (): void => finish(accept(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)));
    const onGone = (): void => finish(refuse("aborted", `The sender went away after ${length} bytes.`));
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limits.maxBytes) {
        finish(refuse("too-large", `The body is larger than ${limits.maxBytes} bytes.`));
      } else if (lease.grow(chunk.length)) {
        chunks.push(chunk);
        idle.cancel();
        idle = clock.after(limits.idleMs, tooSlow);
      } else {
        finish(refuse("busy", "Too many bytes of uploads are in flight."));
      }
    };
    const total: Timer = clock.after(limits.totalMs, tooSlow);
    let idle: Timer = clock.after(limits.idleMs, tooSlow);
    source.on("data", onData).on("end", onEnd).on("close", onGone).on("aborted", onGone);
    // Errors of a request are followed by its close, which decides; unheard they would end the process.
    source.on("error", () => {});
  });
}

const decompress = promisify(zstdDecompress);
/** Windows of up to 8 MiB: more than any upload needs, and all that a hostile frame header can make us reserve. */
const WINDOW_LOG_MAX = 23;

/**
 * Undoes zstd (RFC 8878) off the main thread. The output is bounded while it grows, so a bomb costs `maxBytes` at most;
 * that much is taken from the lease beforehand.
 */
export async function decompressZstd(
  body: Buffer,
  maxBytes: number,
  lease: BodyLease,
): Promise<Outcome<Buffer, BodyProblem>> {
  if (!lease.grow(maxBytes)) return refuse("busy", "Too many bytes of uploads are in flight.");
  try {
    const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
    return accept(await decompress(body, { maxOutputLength: maxBytes, params }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") {
      return refuse("too-large", `The body is larger than ${maxBytes} bytes after decompression.`);
    }
    return refuse("encoding", `The body is not zstd: ${message}.`);
  }
}
