import { Decoder, Encoder, Tag } from "cbor-x";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { intersect } from "@paddock/base/ranges.ts";
import { describe, expect, test } from "vitest";
import { headSize } from "./cbor-write.ts";
import { decodeHeader } from "./batch-header.ts";
import {
  ALG_ED25519,
  ALG_EDDSA,
  decodeSign1,
  encodeSign1,
  signatureInput,
  verifySign1,
  type Sign1,
  writeSignerHeader,
} from "./cose-sign.ts";
import type { SigningIdentity } from "./identity.ts";
import { openKeyProof } from "./key-proof.ts";
import { openEnrolment, signEnrolment } from "./enrolment.ts";
import { CLAIM_BYTES_MAX, LABEL_BYTES_MAX, RECEIPT_BYTES_MAX, RECEIPT_RANGES_MAX } from "./limits.ts";
import { decodeProof, encodeProof, verifyProof } from "./proof.ts";
import { openReceipt, signReceipt, type Receipt } from "./receipt.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";
import { normalRanges } from "./testing/ranges-arbitrary.ts";
import { testCollector, testGateway, toJson, vectorBytes } from "./testing/vectors.ts";

const decoder = new Decoder({ mapsAsObjects: false, useRecords: false });
const encoder = new Encoder({ mapsAsObjects: false, useRecords: false });

describe("COSE_Sign1", () => {
  test("the Sig_structure is that of RFC 9052 §4.4, made by other means", () => {
    fc.assert(
      fc.property(byteStrings(1, 100), byteStrings(0, 300), (protectedBytes, payload) => {
        const expected = encoder.encode([
          "Signature1",
          Buffer.from(protectedBytes),
          Buffer.alloc(0),
          Buffer.from(payload),
        ]);
        expect(signatureInput(protectedBytes, payload)).toEqual(Buffer.from(expected));
      }),
    );
  });

  test("cbor-x sees tag 18 around four items, and the signature verifies", () => {
    const encoded = encodeSign1(testGateway.privateKey, Buffer.from("a10127", "hex"), Buffer.from("payload"));
    const { tag, value } = decoder.decode(encoded) as Tag;
    expect(tag).toBe(18);
    expect(value).toHaveLength(4);
    const parts = expectAccepted(decodeSign1(encoded, 100));
    expect(verifySign1(parts, testGateway.publicKey)).toBe(true);
    expect(verifySign1(parts, testCollector.publicKey)).toBe(false);
    expect(decodeSign1(encoded, 6)).toMatchObject({ ok: false, reason: "cose" });
  });
});

function withoutHeadAtStart(receipt: Omit<Receipt, "collector">): Omit<Receipt, "collector"> {
  return receipt.linked === 0 ? { ...receipt, head: null } : receipt;
}

/** Every byte of a signed message, turned in three ways, is refused. */
function everyChange(encoded: Uint8Array, accepts: (bytes: Uint8Array) => boolean): void {
  expect(accepts(encoded)).toBe(true);
  for (const [at] of encoded.entries()) {
    for (const change of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(encoded);
      changed[at]! ^= change;
      expect(accepts(changed), `byte ${at} with ${change}`).toBe(false);
    }
  }
}

describe("receipt", () => {
  const receipts: fc.Arbitrary<Omit<Receipt, "collector">> = fc
    .record({
      gateway: byteStrings(32, 32),
      lane: fc.constantFrom(0 as const, 1 as const, 2 as const),
      epoch: fc.nat(0xffff_ffff),
      held: normalRanges,
      linked: fc.oneof(fc.constant(0), fc.maxSafeNat()),
      head: byteStrings(32, 32),
      received: fc.maxSafeNat(),
      bareOf: normalRanges,
    })
    .map(({ bareOf, ...receipt }) => withoutHeadAtStart({ ...receipt, bare: intersect(bareOf, receipt.held) }));

  test("comes back as it was", () => {
    fc.assert(
      fc.property(receipts, (receipt) => {
        const opened = openReceipt(signReceipt(testCollector, receipt), testCollector.publicKey);
        expect(toJson(expectAccepted(opened))).toEqual(toJson({ collector: testCollector.id, ...receipt }));
      }),
      { numRuns: 50 },
    );
  });

  test("the largest one fits its bound", () => {
    const far = Number.MAX_SAFE_INTEGER - 4 * RECEIPT_RANGES_MAX;
    const held = Array.from(
      { length: RECEIPT_RANGES_MAX },
      (_, index) => [far + index * 3, far + index * 3 + 1] as const,
    );
    const receipt = {
      gateway: testGateway.id,
      lane: 2,
      epoch: 0xffff_ffff,
      held,
      bare: held,
      linked: 1,
      head: testGateway.id,
      received: far,
    } as const;
    const encoded = signReceipt(testCollector, receipt);
    expect(encoded.length).toBeLessThanOrEqual(RECEIPT_BYTES_MAX);
    expect(openReceipt(encoded, testCollector.publicKey).ok).toBe(true);
  });

  test("that names another signer than its collector is refused, though the signature is right", () => {
    const { payload } = expectAccepted(decodeSign1(vectorBytes("receipt", "held"), RECEIPT_BYTES_MAX));
    const signed = encodeSign1(testCollector.privateKey, writeSignerHeader(testGateway.id), payload);
    expect(openReceipt(signed, testCollector.publicKey)).toMatchObject({ ok: false, reason: "receipt-format" });
  });

  test("with more ranges than a reader takes is not written", () => {
    const ranges = Array.from({ length: RECEIPT_RANGES_MAX + 1 }, (_, index) => [index * 2, index * 2] as const);
    const receipt = { gateway: testGateway.id, lane: 0, epoch: 0, linked: 0, head: null, received: 0 } as const;
    expect(() => signReceipt(testCollector, { ...receipt, held: ranges, bare: [] })).toThrow(RangeError);
    expect(() => signReceipt(testCollector, { ...receipt, held: [[0, 9999]], bare: ranges })).toThrow(RangeError);
  });

  test("a changed byte is detected", () => {
    everyChange(vectorBytes("receipt", "held"), (bytes) => openReceipt(bytes, testCollector.publicKey).ok);
  });

  test("another collector's key does not open it", () => {
    expect(openReceipt(vectorBytes("receipt", "held"), testGateway.publicKey)).toMatchObject({
      ok: false,
      reason: "receipt-signature",
    });
  });

  test("a head without links, or links without a head, is refused", () => {
    const receipt = { gateway: testGateway.id, lane: 0, epoch: 0, held: [], bare: [], received: 0 } as const;
    for (const rest of [
      { linked: 0, head: testGateway.id },
      { linked: 1, head: null },
    ]) {
      expect(openReceipt(signReceipt(testCollector, { ...receipt, ...rest }), testCollector.publicKey)).toMatchObject({
        reason: "receipt-format",
      });
    }
  });
});

describe("enrolment", () => {
  test("a changed byte is detected", () => {
    everyChange(vectorBytes("enrolment", "with-claim"), (bytes) => openEnrolment(bytes).ok);
  });

  test("a key that is not the id's is refused", () => {
    const mixed = { ...testGateway, id: testCollector.id };
    expect(openEnrolment(signEnrolment(mixed, { claim: "", label: "", wall: 0 }))).toMatchObject({
      ok: false,
      reason: "enrolment-signature",
    });
  });

  test("a signature by another key is refused", () => {
    const mixed = { ...testGateway, privateKey: testCollector.privateKey };
    expect(openEnrolment(signEnrolment(mixed, { claim: "", label: "", wall: 0 }))).toMatchObject({
      ok: false,
      reason: "enrolment-signature",
    });
  });

  test("the longest claim and label are taken, longer ones are a programmer error", () => {
    const longest = {
      claim: "c".repeat(CLAIM_BYTES_MAX),
      label: "l".repeat(LABEL_BYTES_MAX),
      wall: Number.MAX_SAFE_INTEGER,
    };
    expect(expectAccepted(openEnrolment(signEnrolment(testGateway, longest)))).toMatchObject(longest);
    expect(() => signEnrolment(testGateway, { ...longest, claim: `${longest.claim}c` })).toThrow(RangeError);
    expect(() => signEnrolment(testGateway, { ...longest, label: `${longest.label}l` })).toThrow(RangeError);
  });
});

describe("proof", () => {
  const bytes = vectorBytes("proof", "three-links");

  test("a changed byte is detected, but for the index, which then names another record", () => {
    const original = expectAccepted(decodeProof(bytes));
    const indexAt = bytes.length - original.receipt.length - headSize(original.receipt.length) - 1;
    expect(bytes[indexAt]).toBe(original.index);
    for (const [at] of bytes.entries()) {
      if (at === indexAt) continue;
      for (const change of [0x01, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= change;
        expect(verifyProof(changed).ok, `byte ${at}`).toBe(false);
      }
    }
  });

  test("tells what it proves", () => {
    const verified = expectAccepted(verifyProof(bytes));
    expect(Buffer.from(verified.gateway)).toEqual(Buffer.from(testGateway.id));
    expect(Buffer.from(verified.collector)).toEqual(Buffer.from(testCollector.id));
    expect(verified).toMatchObject({ links: 3, header: { position: { seq: 0, lane: 1 } }, receipt: { linked: 3 } });
  });

  test("a receipt that was signed for another head is refused", () => {
    const proof = expectAccepted(decodeProof(bytes));
    const { collector: _, ...receipt } = expectAccepted(openReceipt(proof.receipt, testCollector.publicKey));
    const others = [
      { lane: 0 as const },
      { epoch: 1 },
      { linked: 4 },
      { head: testGateway.id },
      { gateway: testCollector.id },
    ];
    for (const other of others) {
      const signed = signReceipt(testCollector, { ...receipt, ...other });
      expect(verifyProof(encodeProof({ ...proof, receipt: signed })), JSON.stringify(Object.keys(other))).toMatchObject(
        { ok: false, reason: "proof-receipt" },
      );
    }
  });

  test("headers that are linked but of two chains are refused", () => {
    const proof = expectAccepted(decodeProof(bytes));
    const foreign = vectorBytes("header", "new-epoch");
    expect(verifyProof(encodeProof({ ...proof, headers: [...proof.headers, foreign] }))).toMatchObject({
      ok: false,
      reason: "proof-link",
    });
  });
});

/** The same message, signed as rightly, by another name: in all of them the algorithm is the third byte. */
function renamed({ protectedBytes, payload }: Sign1, by: SigningIdentity, algorithm: number): Buffer {
  const bytes = Buffer.from(protectedBytes);
  expect(bytes[2]).toBe(0x27);
  bytes[2] = -1 - algorithm + 0x20;
  return encodeSign1(by.privateKey, bytes, payload);
}

describe("the algorithm that a signature names", () => {
  const header = expectAccepted(decodeSign1(vectorBytes("header", "first"), 32));
  const receipt = expectAccepted(decodeSign1(vectorBytes("receipt", "held"), RECEIPT_BYTES_MAX));
  const proof = expectAccepted(decodeSign1(vectorBytes("key-proof", "proof"), 400));

  test.each([
    [ALG_EDDSA, true],
    [ALG_ED25519, true],
    [-7, false],
    [-9, false],
    [-1, false],
  ])("%i is Ed25519: %s", (algorithm, good) => {
    expect(decodeHeader(renamed(header, testGateway, algorithm)).ok).toBe(good);
    expect(openReceipt(renamed(receipt, testCollector, algorithm), testCollector.publicKey).ok).toBe(good);
    expect(openKeyProof(renamed(proof, testGateway, algorithm), testGateway.publicKey).ok).toBe(good);
  });
});
