import { createHmac, createSecretKey } from "node:crypto";
import { Decoder, Encoder, Tag } from "cbor-x";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { decodeMac0, encodeMac0, verifyMac0 } from "./cose-mac.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";

const key = createSecretKey(Buffer.alloc(32, 1));
const decoder = new Decoder({ mapsAsObjects: false, useRecords: false });
const encoder = new Encoder({ mapsAsObjects: false, useRecords: false, variableMapSize: true });
const encode = (item: unknown) => Buffer.from(encoder.encode(item));

const headers = fc.record(
  {
    algorithm: fc.constantFrom(4 as const, 5 as const),
    format: fc.constantFrom(112, 113),
    sensor: fc.stringMatching(/^[a-z0-9/:.-]{1,64}$/),
    sequence: fc.oneof(fc.nat(2 ** 31 - 1), fc.constantFrom(0, 255, 256, 2 ** 32, 2 ** 40 - 1)),
  },
  { requiredKeys: ["algorithm", "sensor", "sequence"] },
);

describe("COSE_Mac0", () => {
  test("comes back as it was, verifies with its key and no other", () => {
    const otherKey = createSecretKey(Buffer.alloc(32, 2));
    fc.assert(
      fc.property(headers, byteStrings(0, 200), (header, payload) => {
        const parts = expectAccepted(decodeMac0(encodeMac0(key, header, payload)));
        expect(parts).toMatchObject({ format: 112, ...header });
        expect(Buffer.from(parts.payload)).toEqual(Buffer.from(payload));
        expect(verifyMac0(parts, key)).toBe(true);
        expect(verifyMac0(parts, otherKey)).toBe(false);
      }),
    );
  });

  test("the tag is the HMAC of the MAC_structure of RFC 9052 §6.3, made by other means", () => {
    fc.assert(
      fc.property(headers, byteStrings(1, 100), (header, payload) => {
        const tagged = decoder.decode(encodeMac0(key, header, payload)) as Tag;
        const [protectedBytes, unprotected, content, tag] = tagged.value as [
          Buffer,
          Map<number, unknown>,
          Buffer,
          Buffer,
        ];
        expect(tagged.tag).toBe(17);
        expect(unprotected.size).toBe(0);
        const structure = encode(["MAC0", protectedBytes, Buffer.alloc(0), content]);
        const hmac = createHmac("sha256", Buffer.alloc(32, 1)).update(structure).digest();
        expect(tag).toEqual(hmac.subarray(0, header.algorithm === 4 ? 8 : 32));
      }),
      { numRuns: 50 },
    );
  });

  test("with anything behind it, or cut short anywhere, is none", () => {
    const encoded = encodeMac0(key, { algorithm: 4, sensor: "barn-1", sequence: 300 }, Buffer.from("reading"));
    expect(decodeMac0(encoded)).toMatchObject({ ok: true });
    for (const byte of [0x00, 0xf6, 0xff]) {
      expect(decodeMac0(Buffer.concat([encoded, Buffer.from([byte])]))).toMatchObject({
        ok: false,
        reason: "cose-format",
      });
    }
    for (let length = 0; length < encoded.length; length++) {
      expect(decodeMac0(encoded.subarray(0, length))).toMatchObject({ ok: false, reason: "cose-format" });
    }
  });

  test("a changed byte anywhere is refused or does not verify", () => {
    const encoded = encodeMac0(key, { algorithm: 4, sensor: "barn-1", sequence: 300 }, Buffer.from("reading"));
    for (const [at] of encoded.entries()) {
      for (const change of [0x01, 0x80]) {
        const changed = Buffer.from(encoded);
        changed[at]! ^= change;
        const parts = decodeMac0(changed);
        expect(parts.ok && verifyMac0(parts.value, key), `byte ${at}`).toBe(false);
      }
    }
  });
});

/** A frame as a library other than ours writes it, with a tag that verifies. */
function foreign(
  protectedPairs: readonly (readonly [unknown, unknown])[],
  unprotectedPairs: readonly (readonly [unknown, unknown])[] = [],
): Buffer {
  const header = encode(new Map(protectedPairs));
  const payload = Buffer.from("x");
  const structure = encode(["MAC0", header, Buffer.alloc(0), payload]);
  const tag = createHmac("sha256", Buffer.alloc(32, 1)).update(structure).digest().subarray(0, 8);
  return encode(new Tag([header, new Map(unprotectedPairs), payload, tag], 17));
}

describe("written by other libraries (RFC 9052)", () => {
  const kid = Buffer.from("s");
  const iv = Buffer.from([1]);
  test.each([
    [
      "labels in any order",
      foreign([
        [4, kid],
        [1, 4],
        [6, iv],
      ]),
    ],
    [
      "the key id in the unprotected header",
      foreign(
        [
          [1, 4],
          [6, iv],
        ],
        [[4, kid]],
      ),
    ],
    [
      "unknown labels, integer and text",
      foreign(
        [
          [42, [1, 2]],
          [1, 4],
          ["x", "y"],
          [6, iv],
        ],
        [
          [4, kid],
          [-70_000, 1],
        ],
      ),
    ],
    [
      "no CBOR tag",
      foreign([
        [1, 4],
        [4, kid],
        [6, iv],
      ]).subarray(1),
    ],
    [
      "the content type as media type",
      foreign([
        [1, 4],
        [3, "application/senml+cbor"],
        [4, kid],
        [6, iv],
      ]),
    ],
    [
      "crit with what is understood",
      foreign([
        [1, 4],
        [2, [4, 6]],
        [4, kid],
        [6, iv],
      ]),
    ],
  ])("%s", (_, bytes) => {
    const parts = expectAccepted(decodeMac0(bytes));
    expect(parts).toMatchObject({ algorithm: 4, format: 112, sensor: "s", sequence: 1 });
    expect(verifyMac0(parts, key)).toBe(true);
  });

  test.each([
    [
      "the partial IV unprotected",
      foreign(
        [
          [1, 4],
          [4, kid],
        ],
        [[6, iv]],
      ),
      "label 6 has to be in the protected header",
    ],
    [
      "the algorithm unprotected",
      foreign(
        [
          [4, kid],
          [6, iv],
        ],
        [[1, 4]],
      ),
      "label 1 has to be in the protected header",
    ],
    [
      "the content type unprotected",
      foreign(
        [
          [1, 4],
          [6, iv],
        ],
        [
          [4, kid],
          [3, 113],
        ],
      ),
      "label 3 has to be",
    ],
    [
      "crit unprotected",
      foreign(
        [
          [1, 4],
          [6, iv],
        ],
        [
          [4, kid],
          [2, [4]],
        ],
      ),
      "label 2 has to be",
    ],
    [
      "crit with what is not understood",
      foreign([
        [1, 4],
        [2, [42]],
        [4, kid],
        [6, iv],
        [42, 1],
      ]),
      "crit names",
    ],
    [
      "an empty crit",
      foreign([
        [1, 4],
        [2, []],
        [4, kid],
        [6, iv],
      ]),
      "crit has 0 items",
    ],
    [
      "the key id in both headers",
      foreign(
        [
          [1, 4],
          [4, kid],
          [6, iv],
        ],
        [[4, kid]],
      ),
      "label 4 stands twice",
    ],
    [
      "an unknown label in both",
      foreign(
        [
          [1, 4],
          [4, kid],
          [6, iv],
          ["x", 1],
        ],
        [["x", 1]],
      ),
      "a text label stands twice",
    ],
    [
      "a whole IV",
      foreign([
        [1, 4],
        [4, kid],
        [5, iv],
      ]),
      "label 5 (IV)",
    ],
    [
      "another media type",
      foreign([
        [1, 4],
        [3, "text/plain"],
        [4, kid],
        [6, iv],
      ]),
      "content type is no SenML",
    ],
    [
      "more labels than are taken",
      foreign(Array.from({ length: 17 }, (_unused, at) => [at + 10, 0] as const)),
      "17 items",
    ],
    [
      "another tag",
      Buffer.concat([
        Buffer.from([0xd2]),
        foreign([
          [1, 4],
          [4, kid],
          [6, iv],
        ]).subarray(1),
      ]),
      "tag 18",
    ],
  ])("refused: %s", (_, bytes, detail) => {
    expect(decodeMac0(bytes)).toMatchObject({ ok: false, detail: expect.stringContaining(detail) as string });
  });
});

describe("refused", () => {
  const withHeader = (pairs: readonly (readonly [unknown, unknown])[], tagBytes = 8) =>
    encode(new Tag([encode(new Map(pairs)), new Map(), Buffer.from("x"), Buffer.alloc(tagBytes)], 17));
  const kid = Buffer.from("s");
  const iv = Buffer.from([1]);

  test("the shape is right to begin with", () => {
    expect(
      decodeMac0(
        withHeader([
          [1, 4],
          [4, kid],
          [6, iv],
        ]),
      ),
    ).toMatchObject({ ok: true, value: { sensor: "s", sequence: 1 } });
  });

  test.each([
    [
      "algorithm 6",
      withHeader([
        [1, 6],
        [4, kid],
        [6, iv],
      ]),
      "algorithm",
    ],
    [
      "no algorithm",
      withHeader([
        [3, 112],
        [4, kid],
        [6, iv],
      ]),
      "algorithm",
    ],
    [
      "no key id",
      withHeader([
        [1, 4],
        [3, 112],
        [6, iv],
      ]),
      "key id",
    ],
    [
      "no partial IV",
      withHeader([
        [1, 4],
        [3, 112],
        [4, kid],
      ]),
      "the partial IV is missing",
    ],
    [
      "a tag of the other algorithm",
      withHeader([
        [1, 5],
        [4, kid],
        [6, iv],
      ]),
      "the tag has 8 bytes",
    ],
    [
      "an IV of six bytes",
      withHeader([
        [1, 4],
        [4, kid],
        [6, Buffer.alloc(6)],
      ]),
      "partial IV",
    ],
    [
      "an empty IV",
      withHeader([
        [1, 4],
        [4, kid],
        [6, Buffer.alloc(0)],
      ]),
      "partial IV",
    ],
    [
      "an empty key id",
      withHeader([
        [1, 4],
        [4, Buffer.alloc(0)],
        [6, iv],
      ]),
      "key id",
    ],
    [
      "a key id of 65 bytes",
      withHeader([
        [1, 4],
        [4, Buffer.alloc(65, 0x61)],
        [6, iv],
      ]),
      "key id",
    ],
    [
      "a key id that is not UTF-8",
      withHeader([
        [1, 4],
        [4, Buffer.from([0xff])],
        [6, iv],
      ]),
      "UTF-8",
    ],
    [
      "a format that is no SenML",
      withHeader([
        [1, 4],
        [3, 60],
        [4, kid],
        [6, iv],
      ]),
      "content format",
    ],
    ["a Sign1", encode(new Tag([Buffer.alloc(1), new Map(), Buffer.from("x"), Buffer.alloc(8)], 18)), "tag 18"],
  ])("%s", (_, bytes, detail) => {
    expect(decodeMac0(bytes)).toMatchObject({
      ok: false,
      reason: "cose-format",
      detail: expect.stringContaining(detail) as string,
    });
  });

  test.each([
    [{ algorithm: 4, sensor: "", sequence: 1 }],
    [{ algorithm: 4, sensor: "x".repeat(65), sequence: 1 }],
    [{ algorithm: 4, sensor: "s", sequence: 2 ** 40 }],
    [{ algorithm: 4, sensor: "s", sequence: -1 }],
    [{ algorithm: 4, sensor: "s", sequence: 1.5 }],
    [{ algorithm: 4, sensor: "s", sequence: Number.NaN }],
  ] as const)("encoding %o is a programmer error", (header) => {
    expect(() => encodeMac0(key, header, Buffer.alloc(0))).toThrow(RangeError);
  });

  test("the longest id of a sensor can be sent and read", () => {
    const sensor = "x".repeat(64);
    const encoded = encodeMac0(key, { algorithm: 4, sensor, sequence: 1 }, Buffer.alloc(0));
    expect(expectAccepted(decodeMac0(encoded)).sensor).toBe(sensor);
  });
});
