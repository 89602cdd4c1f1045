import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { constants, zstdDecompress } from "node:zlib";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { BodyLease } from "./body-budget.ts";
import { WINDOW_BYTES_MAX, zstdFrames } from "./zstd-frames.ts";

export type BodyProblem =
  | "too-large"
  /** The shared budget of bytes is used up. */
  | "busy"
  /** Too few bytes for too long, or too long in all. */
  | "timeout"
  /** The sender went away. */
  | "aborted"
  /** The body is not in the encoding that its header names. */
  | "encoding";

export interface BodyLimits {
  readonly maxBytes: number;
  /** How long the body may bring too little, which is less than `bytesPerS` over this time. */
  readonly idleMs: number;
  readonly bytesPerS: number;
  readonly totalMs: number;
}

/**
 * Collects a request body within bounds. Never rejects; on a refusal the rest of the body is left unread. `others` takes
 * its room away for requests that are here already: `busy`.
 */
export function readBody(
  source: Readable,
  limits: BodyLimits,
  lease: BodyLease,
  clock: Clock,
  others?: AbortSignal,
): Promise<Outcome<Buffer, BodyProblem>> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const progressBytes = Math.max(1, Math.ceil((limits.bytesPerS * limits.idleMs) / 1000));
    let length = 0;
    let sinceProgress = 0;
    const finish = (outcome: Outcome<Buffer, BodyProblem>): void => {
      idle.cancel();
      total.cancel();
      source.off("data", onData).off("end", onEnd).off("close", onGone).off("aborted", onGone);
      others?.removeEventListener("abort", onOthers);
      if (!outcome.ok) source.pause();
      resolve(outcome);
    };
    const tooSlow = (): void =>
      finish(refuse("timeout", `The body did not arrive in time: ${length} bytes and no more.`));
    const onEnd = (): void => finish(accept(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)));
    const onGone = (): void => finish(refuse("aborted", `The sender went away after ${length} bytes.`));
    const onOthers = (): void => finish(refuse("busy", "Others wait, and this body was not here in time."));
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limits.maxBytes) {
        finish(refuse("too-large", `The body is larger than ${limits.maxBytes} bytes.`));
      } else if (lease.grow(chunk.length)) {
        chunks.push(chunk);
        sinceProgress += chunk.length;
        if (sinceProgress < progressBytes) return;
        sinceProgress = 0;
        idle.cancel();
        idle = clock.after(limits.idleMs, tooSlow);
      } else {
        finish(refuse("busy", "Too many bytes of uploads are in flight."));
      }
    };
    const total: Timer = clock.after(limits.totalMs, tooSlow);
    let idle: Timer = clock.after(limits.idleMs, tooSlow);
    source.on("data", onData).on("end", onEnd).on("close", onGone).on("aborted", onGone);
    others?.addEventListener("abort", onOthers);
    // Errors of a request are followed by its close, which decides; unheard they would end the process.
    source.on("error", () => {});
  });
}

const decompress = promisify(zstdDecompress);
/** What `node:zlib` asks for. */
const CHUNK_BYTES_MIN = 64;

/**
 * Undoes zstd (RFC 8878) off the main thread, frame by frame. What the frames state, or else can hold at most, is looked
 * at before anything is decoded and taken from the lease, so a bomb costs nothing.
 */
export async function decompressZstd(
  body: Buffer,
  maxBytes: number,
  lease: BodyLease,
): Promise<Outcome<Buffer, BodyProblem>> {
  const frames = zstdFrames(body);
  if (!frames.ok) return refuse("encoding", `The body is not zstd: ${frames.detail}`);
  const parts: Buffer[] = [];
  let room = maxBytes;
  for (const { bytes, contentMax, isStated } of frames.value) {
    if (isStated && contentMax > room) {
      return refuse("too-large", `The body is larger than ${maxBytes} bytes after decompression.`);
    }
    const allowed = Math.min(room, contentMax);
    if (!lease.grow(allowed)) return refuse("busy", "Too many bytes of uploads are in flight.");
    const part = await decompressFrame(bytes, allowed);
    if (!part.ok) return part;
    room -= part.value.length;
    parts.push(part.value);
  }
  return accept(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
}

async function decompressFrame(frame: Uint8Array, maxBytes: number): Promise<Outcome<Buffer, BodyProblem>> {
  try {
    const params = { [constants.ZSTD_d_windowLogMax]: Math.log2(WINDOW_BYTES_MAX) };
    // One chunk as large as the content needs one turn in the thread pool.
    const options = { maxOutputLength: Math.max(1, maxBytes), chunkSize: maxBytes + CHUNK_BYTES_MIN, params };
    return accept(await decompress(frame, options));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") {
      return refuse("too-large", `The body is larger than it says or may be: more than ${maxBytes} bytes in a frame.`);
    }
    return refuse("encoding", `The body is not zstd: ${message}.`);
  }
}
