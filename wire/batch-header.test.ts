import { describe, expect, test } from "vitest";
import {
  CLOCK_SYNCHRONISED,
  decodeHeader,
  headerHash,
  sealHeader,
  sha256,
  verifyHeader,
  type Position,
} from "./batch-header.ts";
import { CborWriter } from "./cbor-write.ts";
import { encodeSign1 } from "./cose-sign.ts";
import { generateIdentity } from "./identity.ts";
import { HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, RECORDS_MAX } from "./limits.ts";

const identity = generateIdentity();
const HASH = sha256(Buffer.from("a payload"));
const POSITION: Position = {
  lane: 1,
  epoch: 2,
  seq: 3,
  previous: Buffer.alloc(32, 4),
  count: 5,
  size: 6,
  boot: 7,
  monotonic: 8,
  wall: 9,
  clock: CLOCK_SYNCHRONISED,
};

interface Parts {
  readonly labels: readonly (number | string)[];
  readonly algorithm: number;
  readonly hashAlgorithm: number;
  readonly format: number;
  readonly kid: Uint8Array;
  readonly items: number;
  readonly hash: Uint8Array;
  readonly behind: Uint8Array;
}

/** A header whose parts may be other than Paddock's, well signed. */
function headerOf(change: Partial<Parts> = {}, position: Position = POSITION): Buffer {
  const parts: Parts = {
    labels: [1, 4, 258, 259, "paddock"],
    algorithm: -8,
    hashAlgorithm: -16,
    format: 63,
    kid: identity.id,
    items: 10,
    hash: HASH,
    behind: Buffer.alloc(0),
    ...change,
  };
  const writer = new CborWriter().map(5);
  const label = (index: number): CborWriter => {
    const name = parts.labels[index]!;
    return typeof name === "string" ? writer.text(name) : writer.int(name);
  };
  label(0).int(parts.algorithm);
  label(1).bytes(parts.kid);
  label(2).int(parts.hashAlgorithm);
  label(3).int(parts.format);
  label(4).array(parts.items).int(position.lane).int(position.epoch).int(position.seq);
  if (position.previous === null) writer.null();
  else writer.bytes(position.previous);
  writer.int(position.count).int(position.size).int(position.boot).int(position.monotonic);
  const bytes = writer.int(position.wall).int(position.clock).finish();
  return encodeSign1(identity.privateKey, Buffer.concat([bytes, parts.behind]), parts.hash);
}

const FIRST: Position = { ...POSITION, epoch: 0, seq: 0, previous: null };

describe("a batch's header", () => {
  test("says who sealed what where", () => {
    const sealed = sealHeader(identity, POSITION, HASH);
    expect(headerOf()).toEqual(sealed);
    const read = decodeHeader(sealed);
    expect(read).toMatchObject({ ok: true, value: { position: POSITION } });
    if (!read.ok) return;
    expect(Buffer.from(read.value.gateway)).toEqual(Buffer.from(identity.id));
    expect(Buffer.from(read.value.payloadHash)).toEqual(HASH);
    expect(headerHash(sealed)).toEqual(sha256(sealed));
  });

  test("verifies by its gateway's key alone, and bytes that are none do not", () => {
    const sealed = headerOf();
    expect(verifyHeader(sealed, identity.publicKey)).toBe(true);
    expect(verifyHeader(sealed, generateIdentity().publicKey)).toBe(false);
    const altered = Buffer.from(sealed);
    altered[altered.length - 1]! ^= 1;
    expect(verifyHeader(altered, identity.publicKey)).toBe(false);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(10),
      sealed.subarray(1),
      Buffer.concat([sealed, Buffer.of(0)]),
    ]) {
      expect(verifyHeader(bytes, identity.publicKey)).toBe(false);
    }
  });

  test.each<[string, Position]>([
    ["the first of all", FIRST],
    ["the first of a later epoch", { ...FIRST, epoch: 1, previous: Buffer.alloc(32) }],
    ["the largest", { ...POSITION, lane: 2, epoch: 0xffff_ffff, count: RECORDS_MAX, size: PAYLOAD_BYTES_MAX }],
    ["a time before 1970", { ...POSITION, wall: -1, clock: 0 }],
  ])("%s comes back as it was", (_, position) => {
    expect(decodeHeader(headerOf({}, position))).toMatchObject({ ok: true, value: { position } });
  });

  test("Ed25519 may be named by its own number", () => {
    expect(decodeHeader(headerOf({ algorithm: -19 }))).toMatchObject({ ok: true });
  });

  test.each<[string, Partial<Parts>, string]>([
    ["another algorithm", { algorithm: -7 }, "algorithm -7 is not Ed25519"],
    ["a key id of 31 bytes", { kid: Buffer.alloc(31) }, "gateway has 31 bytes"],
    ["another hash", { hashAlgorithm: -44 }, "payload hash algorithm is -44, not -16"],
    ["another kind of payload", { format: 60 }, "preimage content format is 60, not 63"],
    ["another place for the algorithm", { labels: [2, 4, 258, 259, "paddock"] }, "label is 2, not 1"],
    ["for the key id", { labels: [1, 5, 258, 259, "paddock"] }, "label is 5, not 4"],
    ["for the hash's algorithm", { labels: [1, 4, 257, 259, "paddock"] }, "label is 257, not 258"],
    ["for the kind of payload", { labels: [1, 4, 258, 260, "paddock"] }, "label is 260, not 259"],
    ["another name for the position", { labels: [1, 4, 258, 259, "paddocc"] }, "label is not the position's"],
    ["a position of eleven", { items: 11 }, "position has 11 items"],
    ["a hash of 31 bytes", { hash: Buffer.alloc(31) }, "the payload is no SHA-256 hash"],
    ["bytes behind", { behind: Buffer.of(0) }, "bytes behind the end"],
  ])("with %s it is refused, and by what", (_, change, detail) => {
    expect(decodeHeader(headerOf(change))).toMatchObject({
      ok: false,
      reason: "header-format",
      detail: expect.stringContaining(detail) as string,
    });
  });

  test.each<[string, Position]>([
    ["lane 3", { ...POSITION, lane: 3 as 2 }],
    ["an epoch of 33 bits", { ...POSITION, epoch: 2 ** 32 }],
    ["nothing before it, in the middle of a chain", { ...POSITION, previous: null }],
    ["nothing before it, at the start of a later epoch", { ...FIRST, epoch: 1 }],
    ["something before the first of all", { ...FIRST, previous: Buffer.alloc(32) }],
    ["a previous hash of 31 bytes", { ...POSITION, previous: Buffer.alloc(31) }],
    ["too many records", { ...POSITION, count: RECORDS_MAX + 1 }],
    ["too large a payload", { ...POSITION, size: PAYLOAD_BYTES_MAX + 1 }],
    ["a clock of no known quality", { ...POSITION, clock: 3 as 2 }],
  ])("%s is no place in a chain", (_, position) => {
    expect(decodeHeader(headerOf({}, position))).toMatchObject({ ok: false, reason: "header-format" });
  });

  test("more bytes than a header has are not looked at", () => {
    expect(decodeHeader(Buffer.alloc(HEADER_BYTES_MAX + 1))).toMatchObject({ ok: false, reason: "header-size" });
    expect(decodeHeader(Buffer.alloc(HEADER_BYTES_MAX))).toMatchObject({ ok: false, reason: "header-format" });
  });
});
