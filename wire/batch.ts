import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { decodeHeader, sha256, type BatchHeader } from "./batch-header.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import {
  HEADER_BYTES_MAX,
  HEADER_BYTES_MIN,
  PAYLOAD_BYTES_MAX,
  UPLOAD_BATCHES_MAX,
  UPLOAD_BYTES_MAX,
} from "./limits.ts";

/** A batch as it rests in a store and travels: both parts encoded. A null payload was evicted; the header still proves it. */
export interface EncodedBatch {
  readonly header: Uint8Array;
  readonly payload: Uint8Array | null;
}

/** A batch whose header was read and whose payload, if any, has the size and the hash that the header states. */
export interface CheckedBatch extends EncodedBatch {
  readonly decoded: BatchHeader;
}

export type BatchProblem = "batch-format" | "header-size" | "header-format" | "payload-size" | "payload-hash";

/** `[header, payload]` for each batch, one after the other: a CBOR sequence (RFC 8742), the body of an upload. */
export function encodeBatches(batches: readonly EncodedBatch[]): Buffer {
  let bytes = 0;
  for (const batch of batches) bytes += batch.header.length + (batch.payload?.length ?? 0) + 16;
  const writer = new CborWriter(bytes);
  for (const { header, payload } of batches) {
    writer.array(2).bytes(header);
    if (payload === null) writer.null();
    else writer.bytes(payload);
  }
  return writer.take();
}

/** Bytes that one batch takes in an upload. */
export function encodedBatchSize(batch: EncodedBatch): number {
  return 1 + 3 + batch.header.length + (batch.payload === null ? 1 : 5 + batch.payload.length);
}

/** Splits an upload into its batches, as views into it. Nothing is verified yet. */
export function decodeBatches(body: Uint8Array): Outcome<EncodedBatch[], "batch-format"> {
  if (body.length > UPLOAD_BYTES_MAX) {
    return refuse("batch-format", `An upload has ${body.length} bytes; at most ${UPLOAD_BYTES_MAX} are allowed.`);
  }
  const batches: EncodedBatch[] = [];
  const reader = new CborReader(body);
  while (!reader.atEnd && reader.problem === undefined) {
    if (batches.length === UPLOAD_BATCHES_MAX) {
      return refuse("batch-format", `An upload has more than ${UPLOAD_BATCHES_MAX} batches.`);
    }
    reader.array("batch", 2);
    const header = reader.bytes("header", HEADER_BYTES_MIN, HEADER_BYTES_MAX);
    const payload = reader.takeNull() ? null : reader.bytes("payload", 0, PAYLOAD_BYTES_MAX);
    batches.push({ header, payload });
  }
  if (reader.problem !== undefined) return refuse("batch-format", `batch ${batches.length - 1}: ${reader.problem}`);
  return accept(batches);
}

/** Checks one batch against itself: header form, payload size and hash. The signature and the link need context. */
export function checkBatch(batch: EncodedBatch): Outcome<CheckedBatch, BatchProblem> {
  const header = decodeHeader(batch.header);
  if (!header.ok) return header;
  const { position, payloadHash } = header.value;
  if (batch.payload !== null) {
    if (batch.payload.length !== position.size) {
      return refuse("payload-size", `The payload has ${batch.payload.length} bytes, its header says ${position.size}.`);
    }
    if (!sha256(batch.payload).equals(payloadHash)) {
      return refuse("payload-hash", "The payload does not hash to what its header says.");
    }
  }
  return accept({ header: batch.header, payload: batch.payload, decoded: header.value });
}
