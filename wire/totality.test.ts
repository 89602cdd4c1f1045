import { createSecretKey } from "node:crypto";
import { seededRandom, type Random } from "@paddock/base/random.ts";
import { FUZZ_LIMIT_MS, MILLION } from "@paddock/base/testing/fuzz.ts";
import type { Outcome } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { decodeHeader } from "./batch-header.ts";
import { checkBatch, decodeBatches } from "./batch.ts";
import { skipItem } from "./cbor-read.ts";
import { readBlock } from "./coap-block.ts";
import { CoapView, decodeMessage } from "./coap-message.ts";
import { decodeMac0, verifyMac0 } from "./cose-mac.ts";
import { decodeSign1 } from "./cose-sign.ts";
import { openEnrolment } from "./enrolment.ts";
import { decodeGatewayRecord } from "./gateway-record.ts";
import { openKeyProof } from "./key-proof.ts";
import { decodeProof, verifyProof } from "./proof.ts";
import { openReceipt } from "./receipt.ts";
import { decodeRecords } from "./record.ts";
import { decodeReplayWindow } from "./replay-window.ts";
import { resolveSenml } from "./senml-read.ts";
import { checkSenml } from "./senml.ts";
import { readVectors, testCollector, VECTOR_FILES } from "./testing/vectors.ts";

/** Random and mutated datagrams through every decoder: none may throw, and each says what is wrong. */

/** For what verifies signatures. */
const TWENTY_THOUSAND = MILLION / 50;
const samples = VECTOR_FILES.flatMap((file) => readVectors(file).map(({ hex }) => Buffer.from(hex, "hex")));

/** Writes the next datagram into a buffer that is used again; its parts are good until the next call. */
function datagrams(random: Random, favourites: readonly Uint8Array[]): () => Uint8Array {
  const memory = Buffer.alloc(4096);
  return () => {
    const kind = random.uint32() & 7;
    if (kind === 0) {
      const length = random.below(40);
      for (let at = 0; at < length; at++) memory[at] = random.uint32();
      return memory.subarray(0, length);
    }
    const from = kind < 6 ? favourites : samples;
    const sample = from[random.below(from.length)]!;
    memory.set(sample);
    let length = sample.length;
    if (kind === 1) length = random.below(length + 1);
    if (length === 0) return memory.subarray(0, 0);
    for (let changes = random.uint32() & 3; changes >= 0; changes--) {
      // Low bits and small values hit lengths and types; the front holds the structure.
      const at = random.below(random.uint32() & 1 ? Math.min(length, 32) : length);
      memory[at]! ^= random.uint32() & 1 ? 1 << (random.uint32() & 7) : random.uint32() & 0xff;
    }
    return memory.subarray(0, length);
  };
}

const vectorsOf = (...files: (typeof VECTOR_FILES)[number][]) =>
  files.flatMap((file) => readVectors(file).map(({ hex }) => Buffer.from(hex, "hex")));
const reasonOf = (outcome: Outcome<unknown>) => (outcome.ok ? undefined : outcome.reason);
const view = new CoapView();
const macKey = createSecretKey(Buffer.alloc(32, 0x33));
const publicKey = testCollector.publicKey;

interface Target {
  readonly name: string;
  readonly rounds: number;
  readonly favourites: readonly Uint8Array[];
  /** The problem found, or undefined when the bytes are fine. */
  readonly decode: (bytes: Uint8Array) => string | undefined;
}

const targets: readonly Target[] = [
  {
    name: "decodeMessage",
    rounds: MILLION,
    favourites: vectorsOf("coap-message"),
    decode: (bytes) => decodeMessage(bytes, view),
  },
  {
    name: "readBlock",
    rounds: MILLION,
    favourites: vectorsOf("coap-message"),
    decode: (bytes) => reasonOf(readBlock(bytes, 0, bytes.length & 3)),
  },
  {
    name: "checkSenml",
    rounds: MILLION,
    favourites: vectorsOf("senml"),
    decode: (bytes) => checkSenml(bytes, { lwm2m: false, sensml: true }),
  },
  {
    name: "resolveSenml",
    rounds: MILLION,
    favourites: vectorsOf("senml"),
    decode: (bytes) => reasonOf(resolveSenml(bytes, { now: 0 })),
  },
  {
    name: "skipItem",
    rounds: MILLION,
    favourites: samples,
    decode: (bytes) => (skipItem(bytes, 0) < 0 ? "malformed" : undefined),
  },
  {
    name: "decodeMac0",
    rounds: MILLION,
    favourites: vectorsOf("cose-mac"),
    decode: (bytes) => reasonOf(decodeMac0(bytes)),
  },
  {
    name: "decodeSign1",
    rounds: MILLION,
    favourites: vectorsOf("receipt", "enrolment", "header"),
    decode: (bytes) => reasonOf(decodeSign1(bytes, 4096)),
  },
  {
    name: "decodeHeader",
    rounds: MILLION,
    favourites: vectorsOf("header"),
    decode: (bytes) => reasonOf(decodeHeader(bytes)),
  },
  {
    name: "decodeBatches",
    rounds: MILLION,
    favourites: vectorsOf("batches"),
    decode: (bytes) => reasonOf(decodeBatches(bytes)),
  },
  {
    name: "decodeRecords",
    rounds: MILLION,
    favourites: vectorsOf("records"),
    decode: (bytes) => reasonOf(decodeRecords(bytes)),
  },
  {
    name: "decodeGatewayRecord",
    rounds: MILLION,
    favourites: vectorsOf("gateway-record"),
    decode: (bytes) => reasonOf(decodeGatewayRecord(bytes)),
  },
  {
    name: "decodeProof",
    rounds: MILLION,
    favourites: vectorsOf("proof"),
    decode: (bytes) => reasonOf(decodeProof(bytes)),
  },
  {
    name: "decodeReplayWindow",
    rounds: MILLION,
    favourites: [Buffer.alloc(16)],
    decode: (bytes) => reasonOf(decodeReplayWindow(bytes.subarray(0, 16))),
  },
  // What verifies signatures costs too much for a million; the parts that read bytes ran that often above.
  { name: "verifyMac0", rounds: TWENTY_THOUSAND, favourites: vectorsOf("cose-mac"), decode: verifyMac },
  {
    name: "checkBatch",
    rounds: TWENTY_THOUSAND,
    favourites: vectorsOf("header"),
    decode: (bytes) => reasonOf(checkBatch({ header: bytes, payload: bytes })),
  },
  {
    name: "openReceipt",
    rounds: TWENTY_THOUSAND,
    favourites: vectorsOf("receipt"),
    decode: (bytes) => reasonOf(openReceipt(bytes, publicKey)),
  },
  {
    name: "openEnrolment",
    rounds: TWENTY_THOUSAND,
    favourites: vectorsOf("enrolment"),
    decode: (bytes) => reasonOf(openEnrolment(bytes)),
  },
  {
    name: "openKeyProof",
    rounds: TWENTY_THOUSAND,
    favourites: vectorsOf("key-proof"),
    decode: (bytes) => reasonOf(openKeyProof(bytes, publicKey)),
  },
  {
    name: "verifyProof",
    rounds: MILLION / 200,
    favourites: vectorsOf("proof"),
    decode: (bytes) => reasonOf(verifyProof(bytes)),
  },
];

function verifyMac(bytes: Uint8Array): string | undefined {
  const parts = decodeMac0(bytes);
  if (!parts.ok) return parts.reason;
  return verifyMac0(parts.value, macKey) ? undefined : "tag";
}

describe("no bytes make a decoder throw", () => {
  test.each(targets)(
    "$name, $rounds datagrams",
    ({ name, rounds, favourites, decode }) => {
      const random = seededRandom(name.length * 7919 + name.charCodeAt(0));
      const next = datagrams(random, favourites);
      const reasons = new Set<string | undefined>();
      for (let round = 0; round < rounds; round++) {
        const bytes = next();
        try {
          reasons.add(decode(bytes));
        } catch (error) {
          throw new Error(`${name} threw on ${Buffer.from(bytes).toString("hex")}`, { cause: error });
        }
      }
      // Both sides of the decoder were reached.
      expect([...reasons].some((reason) => reason !== undefined)).toBe(true);
      if (rounds >= MILLION) expect(reasons.has(undefined)).toBe(true);
    },
    FUZZ_LIMIT_MS,
  );
});
