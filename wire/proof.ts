import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { decodeHeader, headerHash, verifyHeader, type BatchHeader } from "./batch-header.ts";
import { checkBatch } from "./batch.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { partyId, publicKeyFromRaw } from "./identity.ts";
import {
  HEADER_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
  PROOF_BYTES_MAX,
  PROOF_HEADERS_MAX,
  PUBLIC_KEY_BYTES,
  RECEIPT_BYTES_MAX,
  RECORDS_MAX,
} from "./limits.ts";
import { openReceipt, type Receipt } from "./receipt.ts";
import { decodeRecords, type BatchRecord } from "./record.ts";

/**
 * A proof file: all it takes to check one record without our help. docs/protocol.md §4 is normative; anybody with a
 * CBOR and an Ed25519 library can do what `verifyProof` does.
 */
export interface Proof {
  /** Raw Ed25519 public keys. Whether they are the right ones is for the reader to know. */
  readonly gatewayKey: Uint8Array;
  readonly collectorKey: Uint8Array;
  /** From the batch that holds the record to the one that the receipt's head names, in order of seq. */
  readonly headers: readonly Uint8Array[];
  /** Of the first header. */
  readonly payload: Uint8Array;
  /** Which record of the payload, from 0. */
  readonly index: number;
  /** As the collector signed it. */
  readonly receipt: Uint8Array;
}

export interface VerifiedProof {
  readonly gateway: Uint8Array;
  readonly collector: Uint8Array;
  /** Of the batch that holds the record. */
  readonly header: BatchHeader;
  readonly record: BatchRecord;
  readonly receipt: Receipt;
  /** Headers from the record's batch to the head, both counted. */
  readonly links: number;
}

export type ProofProblem =
  | "proof-format"
  /** A header does not decode, is not signed by the gateway's key, or names another gateway. */
  | "proof-header"
  /** A header does not follow the one before it. */
  | "proof-link"
  | "proof-payload"
  | "proof-index"
  /** The receipt is not the collector's, is of another chain, or its head is not the last header. */
  | "proof-receipt";

const MARK = "paddock-proof";
const VERSION = 1;

export function encodeProof(proof: Proof): Buffer {
  const writer = new CborWriter(1024 + proof.payload.length + proof.receipt.length)
    .array(8)
    .text(MARK)
    .int(VERSION)
    .bytes(proof.gatewayKey)
    .bytes(proof.collectorKey)
    .array(proof.headers.length);
  for (const header of proof.headers) writer.bytes(header);
  return writer.bytes(proof.payload).int(proof.index).bytes(proof.receipt).finish();
}

/** Takes a proof file apart without believing any of it. */
export function decodeProof(bytes: Uint8Array): Outcome<Proof, "proof-format"> {
  if (bytes.length > PROOF_BYTES_MAX) {
    return refuse("proof-format", `A proof file has ${bytes.length} bytes; at most ${PROOF_BYTES_MAX} are allowed.`);
  }
  const reader = new CborReader(bytes);
  reader.array("proof", 8);
  if (reader.text("mark", MARK.length) !== MARK) reader.fail("this is no proof file");
  const version = reader.uint("version");
  if (version !== VERSION) reader.fail(`version ${version} is not ${VERSION}`);
  const gatewayKey = reader.bytes("gateway key", PUBLIC_KEY_BYTES);
  const collectorKey = reader.bytes("collector key", PUBLIC_KEY_BYTES);
  const headers: Uint8Array[] = [];
  const count = reader.array("headers", 1, PROOF_HEADERS_MAX);
  while (headers.length < count && reader.problem === undefined) {
    headers.push(reader.bytes("header", 1, HEADER_BYTES_MAX));
  }
  const payload = reader.bytes("payload", 0, PAYLOAD_BYTES_MAX);
  const index = reader.uint("index", RECORDS_MAX - 1);
  const receipt = reader.bytes("receipt", 1, RECEIPT_BYTES_MAX);
  reader.end("proof");
  if (reader.problem !== undefined) return refuse("proof-format", reader.problem);
  return accept({ gatewayKey, collectorKey, headers, payload, index, receipt });
}

/**
 * Checks everything that a proof file claims: the gateway signed every header, each header follows the one before, the
 * payload is the first header's, the record is in it, and the collector signed that its linked chain ends in the last
 * header. The file brings both keys, so the caller still compares the two ids with the ones it trusts.
 */
export function verifyProof(bytes: Uint8Array): Outcome<VerifiedProof, ProofProblem> {
  const decoded = decodeProof(bytes);
  if (!decoded.ok) return decoded;
  const proof = decoded.value;
  const headers = verifyHeaders(proof);
  if (!headers.ok) return headers;
  const first = headers.value[0]!;
  const receipt = verifyReceipt(proof, headers.value.at(-1)!);
  if (!receipt.ok) return receipt;
  const batch = checkBatch({ header: proof.headers[0]!, payload: proof.payload });
  if (!batch.ok) return refuse("proof-payload", batch.detail);
  const records = decodeRecords(proof.payload);
  if (!records.ok) return refuse("proof-payload", records.detail);
  if (records.value.length !== first.position.count) {
    return refuse("proof-payload", `The payload has ${records.value.length} records, not ${first.position.count}.`);
  }
  const record = records.value[proof.index];
  if (record === undefined) {
    return refuse("proof-index", `There is no record ${proof.index}; the batch has ${records.value.length}.`);
  }
  const { gateway } = first;
  return accept({
    gateway,
    collector: receipt.value.collector,
    header: first,
    record,
    receipt: receipt.value,
    links: headers.value.length,
  });
}

function verifyHeaders(proof: Proof): Outcome<BatchHeader[], "proof-header" | "proof-link"> {
  const key = publicKeyFromRaw(proof.gatewayKey);
  if (!key.ok) return refuse("proof-header", key.detail);
  const gateway = Buffer.from(partyId(proof.gatewayKey));
  const headers: BatchHeader[] = [];
  for (const [index, encoded] of proof.headers.entries()) {
    const header = decodeHeader(encoded);
    if (!header.ok) return refuse("proof-header", `header ${index}: ${header.detail}`);
    if (!gateway.equals(header.value.gateway)) return refuse("proof-header", `header ${index} is of another gateway`);
    if (!verifyHeader(encoded, key.value))
      return refuse("proof-header", `header ${index} is not signed by the gateway`);
    const before = headers.at(-1);
    if (before !== undefined && !follows(header.value, before, proof.headers[index - 1]!)) {
      return refuse("proof-link", `header ${index} does not follow header ${index - 1}`);
    }
    headers.push(header.value);
  }
  return accept(headers);
}

function follows(header: BatchHeader, before: BatchHeader, encodedBefore: Uint8Array): boolean {
  const { lane, epoch, seq, previous } = header.position;
  return (
    lane === before.position.lane &&
    epoch === before.position.epoch &&
    seq === before.position.seq + 1 &&
    previous !== null &&
    headerHash(encodedBefore).equals(previous)
  );
}

function verifyReceipt(proof: Proof, last: BatchHeader): Outcome<Receipt, "proof-receipt"> {
  const key = publicKeyFromRaw(proof.collectorKey);
  if (!key.ok) return refuse("proof-receipt", key.detail);
  const receipt = openReceipt(proof.receipt, key.value);
  if (!receipt.ok) return refuse("proof-receipt", receipt.detail);
  const { collector, gateway, lane, epoch, linked, head } = receipt.value;
  if (!Buffer.from(partyId(proof.collectorKey)).equals(collector)) {
    return refuse("proof-receipt", "The receipt names another collector than its key belongs to.");
  }
  const { position } = last;
  if (!Buffer.from(gateway).equals(last.gateway) || lane !== position.lane || epoch !== position.epoch) {
    return refuse("proof-receipt", "The receipt is of another chain.");
  }
  if (head === null || linked !== position.seq + 1 || !headerHash(proof.headers.at(-1)!).equals(head)) {
    return refuse("proof-receipt", "The receipt's head is not the last header.");
  }
  return receipt;
}
