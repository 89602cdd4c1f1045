import { createSecretKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { expectAccepted, type Outcome } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { decodeHeader, sealHeader, verifyHeader, type BatchHeader } from "./batch-header.ts";
import { checkBatch, decodeBatches, encodeBatches, type EncodedBatch } from "./batch.ts";
import { skipItem } from "./cbor-read.ts";
import { encodeMessage, readMessage, type CoapMessage } from "./coap-message.ts";
import { decodeMac0, encodeMac0, verifyMac0, type Mac0 } from "./cose-mac.ts";
import { openDirective, signDirective, type Directive } from "./directive.ts";
import { openEnrolment, signEnrolment, type Enrolment } from "./enrolment.ts";
import { decodeGatewayRecord, encodeGatewayRecord, type GatewayRecord } from "./gateway-record.ts";
import { openKeyProof, signKeyProof, type KeyProof } from "./key-proof.ts";
import { encodeProof, decodeProof, verifyProof, type Proof } from "./proof.ts";
import { openReceipt, signReceipt, type Receipt } from "./receipt.ts";
import { decodeRecords, encodeSource, recordSize, writeRecord, type BatchRecord } from "./record.ts";
import { resolveSenml } from "./senml-read.ts";
import { checkSenml, explainSenml } from "./senml.ts";
import { matchCddl, parseCddl } from "./testing/cddl.ts";
import {
  fromJson,
  readVectors,
  testCollector,
  testGateway,
  toJson,
  VECTOR_FILES,
  vectorBytes,
  type VectorFile,
} from "./testing/vectors.ts";

const macKey = createSecretKey(Buffer.alloc(32, 0x33));
const SENML_NOW = 1_700_000_000;

interface Codec {
  decode(bytes: Uint8Array): Outcome<unknown>;
  /** Missing where wire/ only reads. */
  encode?(decoded: never): Uint8Array;
  /** Rule of wire.cddl that every good vector fits. */
  readonly rule?: string;
  /** The vector is a CBOR sequence of items of the rule. */
  readonly sequence?: true;
}

const codecs: Readonly<Record<VectorFile, Codec>> = {
  "coap-message": { decode: readMessage, encode: (message: CoapMessage) => encodeMessage(message) },
  senml: { decode: (bytes) => resolveSenml(bytes, { now: SENML_NOW }) },
  "cose-mac": {
    decode: decodeMac0,
    encode: (parts: Mac0) => encodeMac0(macKey, { ...parts, format: statedFormat(parts) }, parts.payload),
    rule: "mac0",
  },
  records: { decode: decodeRecords, encode: encodeRecords, rule: "record", sequence: true },
  header: {
    decode: decodeHeader,
    encode: (header: BatchHeader) => sealHeader(testGateway, header.position, header.payloadHash),
    rule: "header",
  },
  batches: {
    decode: decodeBatches,
    encode: (batches: EncodedBatch[]) => encodeBatches(batches),
    rule: "batch",
    sequence: true,
  },
  "gateway-record": {
    decode: decodeGatewayRecord,
    encode: (record: GatewayRecord) => encodeGatewayRecord(record),
    rule: "gateway-record",
  },
  receipt: {
    decode: (bytes) => openReceipt(bytes, testCollector.publicKey),
    encode: (receipt: Receipt) => signReceipt(testCollector, receipt),
    rule: "receipt",
  },
  enrolment: {
    decode: openEnrolment,
    encode: (request: Enrolment) => signEnrolment(testGateway, request),
    rule: "enrolment",
  },
  "key-proof": {
    decode: (bytes) => openKeyProof(bytes, testGateway.publicKey),
    encode: ({ collector, challenge }: KeyProof) => signKeyProof(testGateway, collector, challenge),
    rule: "key-proof",
  },
  directive: {
    decode: (bytes) => openDirective(bytes, testCollector.publicKey),
    encode: (directive: Directive) => signDirective(testCollector, directive),
    rule: "directive",
  },
  proof: { decode: decodeProof, encode: (proof: Proof) => encodeProof(proof), rule: "proof" },
};

/** The header leaves out the default, so the encoder must as well. */
function statedFormat(parts: Mac0): number | undefined {
  return parts.format === 112 ? undefined : parts.format;
}

function encodeRecords(records: readonly BatchRecord[]): Uint8Array {
  const parts = records.map(({ offset, source, format, frame }) => {
    const encodedSource = encodeSource(source);
    const target = new Uint8Array(recordSize(offset, encodedSource, format, frame.length));
    expect(writeRecord(target, 0, offset, encodedSource, format, frame)).toBe(target.length);
    return target;
  });
  return Buffer.concat(parts);
}

const schema = parseCddl(readFileSync(new URL("wire.cddl", import.meta.url), "utf8"));

test("every vector file is listed", () => {
  const files = readdirSync(new URL("vectors", import.meta.url)).filter((name) => name.endsWith(".json"));
  expect(files.toSorted()).toEqual(VECTOR_FILES.map((name) => `${name}.json`).toSorted());
});

describe.each(VECTOR_FILES)("%s", (file) => {
  const codec = codecs[file];
  const vectors = readVectors(file);
  const good = vectors.filter((vector) => vector.decoded !== undefined);
  const bad = vectors.filter((vector) => vector.problem !== undefined);

  test("has good and bad vectors, each with its meaning and a name of its own", () => {
    expect(good.length).toBeGreaterThan(0);
    expect(bad.length).toBeGreaterThan(0);
    expect(good.length + bad.length).toBe(vectors.length);
    expect(new Set(vectors.map((vector) => vector.name)).size).toBe(vectors.length);
    expect(vectors.every((vector) => vector.meaning.length > 0)).toBe(true);
  });

  test.each(good)("$name decodes: $meaning", ({ hex, decoded }) => {
    expect(toJson(expectAccepted(codec.decode(Buffer.from(hex, "hex"))))).toEqual(decoded);
  });

  if (codec.encode !== undefined) {
    test.each(good.filter((vector) => vector.forged !== true && vector.foreign !== true))(
      "$name encodes to the same bytes",
      ({ hex, decoded }) => {
        expect(Buffer.from(codec.encode!(fromJson(decoded) as never)).toString("hex")).toBe(hex);
      },
    );
  }

  if (codec.rule !== undefined) {
    test.each(good.filter((vector) => vector.foreign !== true))("$name fits wire.cddl", ({ hex }) => {
      const bytes = Buffer.from(hex, "hex");
      const items = codec.sequence === true ? splitSequence(bytes) : [bytes];
      for (const item of items) expect(matchCddl(schema, codec.rule!, item)).toBeUndefined();
    });
  }

  if (file !== "senml" && file !== "proof") {
    test.each(bad)("$name is refused: $meaning", ({ hex, problem }) => {
      expect(codec.decode(Buffer.from(hex, "hex"))).toMatchObject({ ok: false, reason: problem });
    });
  }
});

function splitSequence(bytes: Buffer): Buffer[] {
  const items: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = skipItem(bytes, at);
    expect(end).toBeGreaterThan(at);
    items.push(bytes.subarray(at, end));
    at = end;
  }
  return items;
}

test.each(readVectors("senml"))("senml $name: the check says the same", ({ hex, problem, rules }) => {
  const bytes = Buffer.from(hex, "hex");
  expect(checkSenml(bytes, { lwm2m: false, ...rules })).toBe(problem);
  if (problem !== undefined) expect(explainSenml(bytes, { lwm2m: false, ...rules })).toMatch(/^[ -~]{1,100}$/);
});

test.each(readVectors("proof"))("proof $name verifies or names what fails", ({ hex, problem }) => {
  const verified = verifyProof(Buffer.from(hex, "hex"));
  if (problem === undefined)
    expect(verified).toMatchObject({ ok: true, value: { links: 3, record: { offset: 1500 } } });
  else expect(verified).toMatchObject({ ok: false, reason: problem });
});

test("every good header and upload verifies with the gateway's key", () => {
  for (const { hex, decoded } of readVectors("header")) {
    if (decoded !== undefined) expect(verifyHeader(Buffer.from(hex, "hex"), testGateway.publicKey)).toBe(true);
  }
  for (const batch of expectAccepted(decodeBatches(vectorBytes("batches", "upload")))) {
    expect(checkBatch(batch).ok).toBe(true);
  }
});

test("COSE_Mac0 vectors verify, the forged one does not", () => {
  for (const { hex, decoded, forged } of readVectors("cose-mac")) {
    if (decoded === undefined) continue;
    expect(verifyMac0(expectAccepted(decodeMac0(Buffer.from(hex, "hex"))), macKey)).toBe(forged !== true);
  }
});

test("wire.cddl names no rule that it lacks", () => {
  const text = readFileSync(new URL("wire.cddl", import.meta.url), "utf8")
    .replaceAll(/;.*$/gm, "")
    .replaceAll(/"[^"]*"/g, "");
  const prelude = new Set(["uint", "int", "bytes", "tstr", "null"]);
  // Names before a colon are labels of array entries.
  const used = [...text.matchAll(/(?<![.\w-])[a-z][a-z0-9-]*(?![\w-]|\s*:)/g)].map(([name]) => name);
  expect(used.length).toBeGreaterThan(50);
  expect(used.filter((name) => !schema.has(name) && !prelude.has(name))).toEqual([]);
});

test("wire.cddl refuses what does not fit", () => {
  expect(matchCddl(schema, "receipt", vectorBytes("enrolment", "with-claim"))).toBeDefined();
  expect(matchCddl(schema, "mac0", vectorBytes("cose-mac", "unprotected"))).toBeDefined();
  expect(matchCddl(schema, "record", vectorBytes("records", "nameless"))).toContain(".size");
  expect(matchCddl(schema, "header", vectorBytes("header", "lane-3"))).toContain("lane");
  expect(matchCddl(schema, "gateway-record", vectorBytes("gateway-record", "unknown-kind"))).toBeDefined();
});
