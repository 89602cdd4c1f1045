import { createPrivateKey } from "node:crypto";
import { CLOCK_SYNCHRONISED, headerHash, sealHeader, sha256 } from "@paddock/wire/batch-header.ts";
import { identityFromPrivateKey, type SigningIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { ChainId, OfferedBatch } from "../types.ts";

/** PKCS#8 wrapping of a 32-byte Ed25519 seed (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** An identity that is the same in every run. Never for anything but tests and benchmarks. */
export function testIdentity(number = 1): SigningIdentity {
  const seed = Buffer.alloc(32, number);
  return identityFromPrivateKey(
    createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" }),
  );
}

/** A payload of one record whose frame has `frameBytes` bytes, different for each `salt`. */
export function testPayload(salt: number, frameBytes = 16): Buffer {
  const source = encodeSource(`mote-${salt % 7}`);
  const frame = Buffer.alloc(frameBytes, salt & 0xff);
  if (frameBytes >= 4) frame.writeUInt32BE(salt >>> 0, 0);
  const payload = Buffer.alloc(recordSize(salt, source, 112, frame.length));
  writeRecord(payload, 0, salt, source, 112, frame);
  return payload;
}

export interface SealedBatch extends OfferedBatch {
  readonly seq: number;
  readonly header: Buffer;
  readonly payload: Buffer;
  readonly hash: Uint8Array;
}

/** Seals batches of one chain, one after the other, as a gateway does. */
export class Sealer {
  readonly identity: SigningIdentity;
  readonly chain: ChainId;
  seq: number;
  previous: Uint8Array | null;

  constructor(
    options: {
      identity?: SigningIdentity;
      lane?: Lane;
      epoch?: number;
      seq?: number;
      previous?: Uint8Array | null;
    } = {},
  ) {
    this.identity = options.identity ?? testIdentity();
    this.chain = { gateway: this.identity.id, lane: options.lane ?? 1, epoch: options.epoch ?? 0 };
    this.seq = options.seq ?? 0;
    this.previous = options.previous ?? null;
  }

  seal(payload: Buffer = testPayload(this.seq), count = 1): SealedBatch {
    const { seq } = this;
    const position = {
      lane: this.chain.lane,
      epoch: this.chain.epoch,
      seq,
      previous: this.previous,
      count,
      size: payload.length,
      boot: 1,
      monotonic: seq * 1000,
      wall: 1_700_000_000_000 + seq,
      clock: CLOCK_SYNCHRONISED,
    } as const;
    const header = sealHeader(this.identity, position, sha256(payload));
    const hash = Uint8Array.from(headerHash(header));
    this.seq++;
    this.previous = hash;
    return { header, payload, hash, seq };
  }

  sealMany(count: number, frameBytes = 16): SealedBatch[] {
    return Array.from({ length: count }, () => this.seal(testPayload(this.seq, frameBytes)));
  }
}
