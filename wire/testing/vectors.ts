import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { identityFromPrivateKey, type SigningIdentity } from "../identity.ts";

/** One golden vector: bytes with their meaning, and either what they decode to or the problem that refuses them. */
export interface Vector {
  readonly name: string;
  readonly meaning: string;
  readonly hex: string;
  readonly decoded?: unknown;
  readonly problem?: string;
  /** SenML: rules that differ from the plain resource. */
  readonly rules?: { readonly lwm2m?: boolean; readonly sensml?: boolean };
  /** COSE: decodes, but does not verify. */
  readonly forged?: boolean;
  /** COSE: decodes and verifies, but no encoder of ours writes it so. */
  readonly foreign?: boolean;
}

export const VECTOR_FILES = [
  "coap-message",
  "senml",
  "cose-mac",
  "records",
  "header",
  "batches",
  "gateway-record",
  "receipt",
  "enrolment",
  "key-proof",
  "directive",
  "proof",
] as const;
export type VectorFile = (typeof VECTOR_FILES)[number];

export function readVectors(file: VectorFile): readonly Vector[] {
  const text = readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { vectors: Vector[] }).vectors;
}

/** The bytes of the vector with this name. */
export function vectorBytes(file: VectorFile, name: string): Buffer {
  const vector = readVectors(file).find((candidate) => candidate.name === name);
  if (vector === undefined) throw new Error(`no vector ${name} in ${file}`);
  return Buffer.from(vector.hex, "hex");
}

/** The form that `decoded` has in the files: byte strings as {"hex": …}, absent fields left out. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, toJson(field)]));
}

/** The inverse of `toJson`. */
export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value;
  if ("hex" in value) return Buffer.from(value.hex as string, "hex");
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, fromJson(field)]));
}

const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

function identityOfByte(byte: number): SigningIdentity {
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, byte)]);
  return identityFromPrivateKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}

/** The fixed keys of all vectors. */
export const testGateway = identityOfByte(0x11);
export const testCollector = identityOfByte(0x22);
