import { messageOf } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { formatRanges, intersect, subtract, type Ranges } from "@paddock/base/ranges.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { encodedBatchSize, type EncodedBatch } from "@paddock/wire/batch.ts";
import { UPLOAD_BATCHES_MAX } from "@paddock/wire/limits.ts";
import type { BatchSource, ChainName, LinkRefusal, VerifiedReceipt } from "./ports.ts";

/** Batches of one request, read and looked at. */
export interface Load {
  readonly batches: readonly EncodedBatch[];
  readonly first: number;
  readonly last: number;
  /** Before compression. */
  readonly bytes: number;
  readonly records: number;
  /** Seqs that go out with their payload. */
  readonly whole: Ranges;
}

/** What is read for one request: from `first` on, at least one batch, to `last` at most. */
export interface Wanted extends ChainName {
  readonly first: number;
  readonly last: number;
  readonly maxBytes: number;
}

/** Reads the batches of one request. Never rejects; a refusal says why they cannot be sent. */
export async function readLoad(source: BatchSource, wanted: Wanted): Promise<Outcome<Load, "unreadable">> {
  const { lane, epoch, first, maxBytes } = wanted;
  try {
    const end = Math.min(wanted.last, first + UPLOAD_BATCHES_MAX - 1);
    return measure(await source.read({ lane, epoch }, first, end, maxBytes), first);
  } catch (error) {
    return refuse("unreadable", messageOf(error));
  }
}

/** The batches must begin at `first` and follow each other. */
function measure(batches: readonly EncodedBatch[], first: number): Outcome<Load, "unreadable"> {
  if (batches.length === 0) return refuse("unreadable", `nothing is stored at seq ${first}`);
  let bytes = 0;
  let records = 0;
  const whole: [number, number][] = [];
  for (const [index, batch] of batches.entries()) {
    const header = decodeHeader(batch.header);
    if (!header.ok) return refuse("unreadable", `seq ${first + index}: ${header.detail}`);
    const { seq, count } = header.value.position;
    if (seq !== first + index) return refuse("unreadable", `seq ${seq} was read in the place of ${first + index}`);
    bytes += encodedBatchSize(batch);
    records += count;
    if (batch.payload === null) continue;
    const tail = whole.at(-1);
    if (tail?.[1] === seq - 1) tail[1] = seq;
    else whole.push([seq, seq]);
  }
  return accept({ batches, first, last: first + batches.length - 1, bytes, records, whole });
}

/** What speaks against letting go of what was sent after such a receipt; undefined when nothing does. */
export function receiptFault({ receipt }: VerifiedReceipt, { first, last, whole }: Load): LinkRefusal | undefined {
  const { held, bare } = receipt;
  const missing = subtract([[first, last]], held);
  if (missing.length > 0)
    return refuse("refused", `the receipt for seq ${first} to ${last} does not name ${missing[0]![0]}`);
  const stripped = intersect(bare, whole);
  if (stripped.length > 0)
    return refuse("stripped", `the payload of seq ${formatRanges(stripped)} was sent and did not reach the collector`);
  return undefined;
}
