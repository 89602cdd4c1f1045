import { generateKeyPairSync } from "node:crypto";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { decodeHeader, headerHash, sealHeader, sha256, verifyHeader, type Position } from "./batch-header.ts";
import { checkBatch, decodeBatches, encodeBatches, encodedBatchSize, type EncodedBatch } from "./batch.ts";
import {
  identityFromPem,
  identityFromPrivateKey,
  generateIdentity,
  identityToPem,
  partyId,
  publicKeyFromRaw,
  rawPublicKey,
} from "./identity.ts";
import { isLane, laneName, laneOf, LANES } from "./lanes.ts";
import { HEADER_BYTES_MAX, HEADER_BYTES_MIN, PAYLOAD_BYTES_MAX, RECORDS_MAX, UPLOAD_BYTES_MAX } from "./limits.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";
import { testCollector, testGateway, vectorBytes } from "./testing/vectors.ts";

const positions: fc.Arbitrary<Position> = fc
  .record({
    lane: fc.constantFrom(0 as const, 1 as const, 2 as const),
    epoch: fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)),
    seq: fc.oneof(fc.constant(0), fc.maxSafeNat()),
    previous: byteStrings(32, 32),
    count: fc.nat(RECORDS_MAX),
    size: fc.nat(PAYLOAD_BYTES_MAX),
    boot: fc.maxSafeNat(),
    monotonic: fc.maxSafeNat(),
    wall: fc.maxSafeInteger(),
    clock: fc.constantFrom(0 as const, 1 as const, 2 as const),
  })
  .map(withoutPreviousAtStart);

function withoutPreviousAtStart(position: Position): Position {
  return position.epoch === 0 && position.seq === 0 ? { ...position, previous: null } : position;
}

function sealed(payload: Uint8Array, position: Partial<Position> = {}): EncodedBatch & { payload: Uint8Array } {
  const full: Position = {
    lane: 1,
    epoch: 0,
    seq: 0,
    previous: null,
    count: 1,
    size: payload.length,
    boot: 1,
    monotonic: 5,
    wall: 6,
    clock: 2,
    ...position,
  };
  return { header: sealHeader(testGateway, full, sha256(payload)), payload };
}

describe("header", () => {
  test("any position comes back as it was, signed, within the bounds", () => {
    fc.assert(
      fc.property(positions, byteStrings(32, 32), (position, payloadHash) => {
        const encoded = sealHeader(testGateway, position, payloadHash);
        expect(encoded.length).toBeLessThanOrEqual(HEADER_BYTES_MAX);
        expect(encoded.length).toBeGreaterThanOrEqual(HEADER_BYTES_MIN);
        const header = expectAccepted(decodeHeader(encoded));
        expect(Buffer.from(header.gateway)).toEqual(Buffer.from(testGateway.id));
        expect(Buffer.from(header.payloadHash)).toEqual(Buffer.from(payloadHash));
        const { previous, ...rest } = header.position;
        const { previous: givenPrevious, ...givenRest } = position;
        expect(rest).toEqual({ ...givenRest, wall: givenRest.wall + 0 });
        expect(previous && Buffer.from(previous)).toEqual(givenPrevious && Buffer.from(givenPrevious));
        expect(verifyHeader(encoded, testGateway.publicKey)).toBe(true);
        expect(verifyHeader(encoded, testCollector.publicKey)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test("the shortest header that there can be is not below the bound", () => {
    const position: Position = {
      lane: 0,
      epoch: 0,
      seq: 0,
      previous: null,
      count: 0,
      size: 0,
      boot: 0,
      monotonic: 0,
      wall: 0,
      clock: 0,
    };
    expect(sealHeader(testGateway, position, sha256(new Uint8Array(0))).length).toBeGreaterThanOrEqual(
      HEADER_BYTES_MIN,
    );
  });

  test("the link is the SHA-256 of the whole header", () => {
    const { header } = sealed(Buffer.from("abc"));
    expect(headerHash(header)).toEqual(sha256(header));
  });
});

/** What a holder of the batch and its successor checks. */
const holds = (batch: EncodedBatch, next: EncodedBatch): boolean => {
  const checked = checkBatch(batch);
  const successor = decodeHeader(next.header);
  return (
    checked.ok &&
    successor.ok &&
    verifyHeader(batch.header, testGateway.publicKey) &&
    headerHash(batch.header).equals(successor.value.position.previous ?? Buffer.alloc(0))
  );
};

describe("a changed byte is detected", () => {
  const payload = vectorBytes("records", "three-records");
  const first = sealed(payload, { count: 3 });
  const second = sealed(payload, { count: 3, seq: 1, previous: headerHash(first.header) });

  const changes = [0x01, 0x80, 0xff];

  test("unchanged it holds", () => {
    expect(holds(first, second)).toBe(true);
  });

  test("in the header", () => {
    for (const [at] of first.header.entries()) {
      for (const change of changes) {
        const header = Buffer.from(first.header);
        header[at]! ^= change;
        expect(holds({ ...first, header }, second), `byte ${at}`).toBe(false);
        // Without the successor as well: the signature, or the form, gives it away.
        expect(decodeHeader(header).ok && verifyHeader(header, testGateway.publicKey), `byte ${at}`).toBe(false);
      }
    }
  });

  test("in the payload", () => {
    for (let at = 0; at < payload.length; at++) {
      for (const change of changes) {
        const changed = Buffer.from(payload);
        changed[at]! ^= change;
        expect(checkBatch({ ...first, payload: changed }), `byte ${at}`).toMatchObject({
          ok: false,
          reason: "payload-hash",
        });
      }
    }
  });

  test("also one byte more or less", () => {
    expect(checkBatch({ ...first, payload: payload.subarray(1) })).toMatchObject({ ok: false, reason: "payload-size" });
    expect(checkBatch({ ...first, payload: Buffer.concat([payload, Buffer.from([0])]) })).toMatchObject({
      ok: false,
      reason: "payload-size",
    });
    expect(checkBatch({ ...first, header: first.header.subarray(0, -1) })).toMatchObject({
      ok: false,
      reason: "header-format",
    });
  });

  test("an evicted payload is no change", () => {
    expect(checkBatch({ header: first.header, payload: null })).toMatchObject({ ok: true, value: { payload: null } });
  });
});

describe("uploads", () => {
  test("come apart into the batches that went in, as views", () => {
    const contents = fc.array(fc.option(byteStrings(0, 300)), { maxLength: 6 });
    fc.assert(
      fc.property(contents, (payloads) => {
        const batches = payloads.map((payload) => ({ header: sealed(payload ?? Buffer.from("gone")).header, payload }));
        const body = encodeBatches(batches);
        const decoded = expectAccepted(decodeBatches(body));
        expect(decoded.map(toHex)).toEqual(batches.map(toHex));
        for (const batch of decoded) expect(batch.header.buffer).toBe(body.buffer);
      }),
      { numRuns: 30 },
    );
  });

  test("encodedBatchSize bounds what a batch takes", () => {
    for (const size of [0, 1, 23, 24, 255, 256, 65_535, 65_536, PAYLOAD_BYTES_MAX]) {
      const batch = sealed(Buffer.alloc(size));
      const actual = encodeBatches([batch]).length;
      expect(encodedBatchSize(batch)).toBeGreaterThanOrEqual(actual);
      expect(encodedBatchSize(batch) - actual).toBeLessThanOrEqual(6);
    }
    const evicted = { header: sealed(Buffer.alloc(1)).header, payload: null };
    expect(encodedBatchSize(evicted)).toBeGreaterThanOrEqual(encodeBatches([evicted]).length);
  });

  test("the number of the batch at fault is named", () => {
    const body = Buffer.concat([
      encodeBatches([sealed(Buffer.from("a")), sealed(Buffer.from("b"))]),
      Buffer.from([0x83]),
    ]);
    expect(decodeBatches(body)).toMatchObject({ ok: false, detail: expect.stringMatching(/^batch 2: /) as string });
  });

  test("are bounded", () => {
    expect(decodeBatches(Buffer.alloc(UPLOAD_BYTES_MAX + 1))).toMatchObject({ ok: false, reason: "batch-format" });
  });
});

function toHex({ header, payload }: EncodedBatch): readonly (string | null)[] {
  return [Buffer.from(header).toString("hex"), payload === null ? null : Buffer.from(payload).toString("hex")];
}

describe("identity", () => {
  test("an id is the SHA-256 of the raw key, and keys survive both forms", () => {
    const identity = generateIdentity();
    expect(Buffer.from(identity.id)).toEqual(sha256(identity.publicKeyRaw));
    expect(Buffer.from(partyId(identity.publicKeyRaw))).toEqual(Buffer.from(identity.id));
    const again = expectAccepted(identityFromPem(identityToPem(identity)));
    expect(Buffer.from(again.publicKeyRaw)).toEqual(Buffer.from(identity.publicKeyRaw));
    const key = expectAccepted(publicKeyFromRaw(identity.publicKeyRaw));
    expect(Buffer.from(rawPublicKey(key))).toEqual(Buffer.from(identity.publicKeyRaw));
  });

  test("keys of another kind are refused", () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    expect(identityFromPem(other.privateKey.export({ format: "pem", type: "pkcs8" }).toString())).toMatchObject({
      ok: false,
      reason: "private-key",
    });
    expect(identityFromPem("")).toMatchObject({ ok: false, reason: "private-key" });
    expect(() => rawPublicKey(other.publicKey)).toThrow(TypeError);
    expect(() => identityFromPrivateKey(other.privateKey)).toThrow(TypeError);
    expect(publicKeyFromRaw(new Uint8Array(31))).toMatchObject({ ok: false, reason: "public-key" });
  });

  test("a raw key that is no point on the curve verifies nothing, without a throw", () => {
    const { header } = sealed(Buffer.from("a"));
    for (const byte of [0x00, 0x02, 0xff]) {
      const key = publicKeyFromRaw(Buffer.alloc(32, byte));
      if (key.ok) expect(verifyHeader(header, key.value)).toBe(false);
    }
  });
});

test("lanes have names and numbers, and nothing else is one", () => {
  for (const [index, name] of LANES.entries()) {
    expect(laneOf(name)).toBe(index);
    expect(isLane(index) && laneName(index)).toBe(name);
  }
  expect(laneOf("express")).toBeUndefined();
  expect([-1, 3, 0.5, Number.NaN].map(isLane)).toEqual([false, false, false, false]);
});
