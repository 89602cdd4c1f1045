import * as fc from "fast-check";
import { readFileSync } from "node:fs";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { fixedFieldsIn, openDirective, signDirective, type Directive, type DirectiveBody } from "./directive.ts";
import { decodeGatewayRecord, encodeGatewayRecord } from "./gateway-record.ts";
import { matchCddl, parseCddl } from "./testing/cddl.ts";
import { testCollector, testGateway } from "./testing/vectors.ts";

const schema = parseCddl(readFileSync(new URL("wire.cddl", import.meta.url), "utf8"));

const bodies: fc.Arbitrary<DirectiveBody> = fc.oneof(
  fc.record({
    kind: fc.constant("config" as const),
    revision: fc.nat(),
    document: fc.string({ minLength: 2, maxLength: 200 }),
  }),
  fc.record({
    kind: fc.constant("release" as const),
    url: fc.webUrl(),
    version: fc.constantFrom("1.2.3", "0.1.0~rc1"),
    manifestSha256: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
);
const directives: fc.Arbitrary<Directive> = fc.record({
  id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  gateway: fc.constant(testGateway.id),
  issued: fc.nat(),
  notAfter: fc.nat(),
  body: bodies,
});

const directive: Directive = {
  id: new Uint8Array(16).fill(7),
  gateway: testGateway.id,
  issued: 1_700_000_000_000,
  notAfter: 1_700_000_600_000,
  body: { kind: "config", revision: 7, document: '{"log":{"level":"warn"}}' },
};

describe("a directive", () => {
  test("comes back as it was signed, and fits wire.cddl", () => {
    fc.assert(
      fc.property(directives, (original) => {
        const encoded = signDirective(testCollector, original);
        const { value } = openDirective(encoded, testCollector.publicKey) as { value: Directive };
        expect(Buffer.from(signDirective(testCollector, value))).toEqual(Buffer.from(encoded));
        expect(value.body.kind).toBe(original.body.kind);
        expect(matchCddl(schema, "directive", encoded)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  test("of another key, or with any byte changed, is none", () => {
    const encoded = signDirective(testCollector, directive);
    expect(openDirective(encoded, testGateway.publicKey)).toMatchObject({ ok: false, reason: "directive-signature" });
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(encoded);
        changed[at]! ^= change;
        expect(openDirective(changed, testCollector.publicKey).ok).toBe(false);
      }),
    );
  });

  test("of a kind that is not known yet can be read, so that it can be refused by its id", () => {
    const encoded = signDirective(testCollector, { ...directive, body: { kind: "unknown", number: 9 } });
    expect(expectAccepted(openDirective(encoded, testCollector.publicKey))).toMatchObject({
      body: { kind: "unknown", number: 9 },
    });
  });

  test("is not signed where a reader would not take it", () => {
    const document = JSON.stringify({ log: "x".repeat(16 * 1024) });
    const body = { kind: "config", revision: 1, document } as const;
    expect(() => signDirective(testCollector, { ...directive, body })).toThrow("document above 16384 bytes");
  });
});

test("the fields that no directive may change are found by name, also when their section goes", () => {
  expect(fixedFieldsIn({ log: { level: "warn" }, paths: [], collector: { label: "roof" } })).toEqual([]);
  expect(fixedFieldsIn({ dataDir: "/elsewhere", identity: { keyFile: null } })).toEqual(["dataDir", "identity"]);
  expect(fixedFieldsIn({ collector: { publicKey: "00" } })).toEqual(["collector.publicKey"]);
  const inCollector = ["collector.publicKey", "collector.ca", "collector.claim"];
  expect(fixedFieldsIn({ collector: null })).toEqual(inCollector);
  expect(fixedFieldsIn({ sensors: null })).toEqual(["sensors.file"]);
});

test("a reason that is too long for the chain is cut between characters", () => {
  const id = new Uint8Array(16);
  const said = { kind: "directive", id, outcome: "refused", subject: "config 7", reason: "ä€".repeat(100) } as const;
  const encoded = encodeGatewayRecord(said);
  expect(matchCddl(schema, "gateway-record", encoded)).toBeUndefined();
  const read = expectAccepted(decodeGatewayRecord(encoded));
  expect(read.kind === "directive" && read.reason).toMatch(/^(ä€)+ä?…$/u);
});
