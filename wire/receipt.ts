import type { KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { subtract, type Ranges } from "@paddock/base/ranges.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { decodeSign1, encodeSign1, readSignerHeader, verifySign1, writeSignerHeader } from "./cose-sign.ts";
import { readRanges } from "./gateway-record.ts";
import type { SigningIdentity } from "./identity.ts";
import { isLane, type Lane } from "./lanes.ts";
import { HASH_BYTES, RECEIPT_BYTES_MAX, RECEIPT_RANGES_MAX } from "./limits.ts";

/** What a collector signs: it holds these batches of this chain, durably. docs/protocol.md §3.2. */
export interface Receipt {
  /** SHA-256 of the collector's raw public key, 32 bytes; also the kid. */
  readonly collector: Uint8Array;
  readonly gateway: Uint8Array;
  readonly lane: Lane;
  readonly epoch: number;
  /** Ranges of seq that are held. */
  readonly held: Ranges;
  /** Of `held`, those whose header is held without its payload. A gateway that has the payload must not let go of it. */
  readonly bare: Ranges;
  /** How many batches from seq 0 are proven to follow each other without a gap. */
  readonly linked: number;
  /** Hash of the header at seq `linked` - 1; null when `linked` is 0. */
  readonly head: Uint8Array | null;
  /** Unix ms at the collector when it signed. */
  readonly received: number;
}

/** Throws RangeError for more ranges than a reader takes. */
export function signReceipt(identity: SigningIdentity, receipt: Omit<Receipt, "collector">): Buffer {
  const payload = new CborWriter()
    .array(9)
    .bytes(identity.id)
    .bytes(receipt.gateway)
    .int(receipt.lane)
    .int(receipt.epoch);
  writeRanges(payload, receipt.held);
  writeRanges(payload, receipt.bare);
  payload.int(receipt.linked);
  if (receipt.head === null) payload.null();
  else payload.bytes(receipt.head);
  return encodeSign1(identity.privateKey, writeSignerHeader(identity.id), payload.int(receipt.received).finish());
}

function writeRanges(writer: CborWriter, ranges: Ranges): void {
  if (ranges.length > RECEIPT_RANGES_MAX) throw new RangeError(`a receipt with ${ranges.length} ranges`);
  writer.array(ranges.length);
  for (const [first, last] of ranges) writer.array(2).int(first).int(last);
}

/** Reads a receipt and verifies that `publicKey` signed it. */
export function openReceipt(
  encoded: Uint8Array,
  publicKey: KeyObject,
): Outcome<Receipt, "receipt-format" | "receipt-signature"> {
  const parts = decodeSign1(encoded, RECEIPT_BYTES_MAX);
  if (!parts.ok) return refuse("receipt-format", parts.detail);
  const signer = readSignerHeader(parts.value.protectedBytes);
  if (!signer.ok) return refuse("receipt-format", signer.detail);
  const body = new CborReader(parts.value.payload);
  const receipt = readBody(body);
  if (body.problem !== undefined) return refuse("receipt-format", body.problem);
  if (!Buffer.from(signer.value).equals(receipt.collector))
    return refuse("receipt-format", "key id and collector differ");
  if (!verifySign1(parts.value, publicKey)) {
    return refuse("receipt-signature", "The receipt is not signed by the collector's key.");
  }
  return accept(receipt);
}

function readBody(reader: CborReader): Receipt {
  reader.array("receipt", 9);
  const collector = reader.bytes("collector", HASH_BYTES);
  const gateway = reader.bytes("gateway", HASH_BYTES);
  const lane = reader.uint("lane", 2);
  const epoch = reader.uint("epoch", 0xffff_ffff);
  const held = readRanges(reader, "held");
  const bare = readRanges(reader, "bare");
  if (reader.problem === undefined && subtract(bare, held).length > 0) reader.fail("bare names what is not held");
  const linked = reader.uint("linked");
  const head = reader.takeNull() ? null : reader.bytes("head", HASH_BYTES);
  if ((head === null) !== (linked === 0)) reader.fail("head is null exactly when nothing is linked");
  const received = reader.int("received");
  reader.end("receipt");
  return { collector, gateway, lane: isLane(lane) ? lane : 0, epoch, held, bare, linked, head, received };
}
