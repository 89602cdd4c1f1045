import type { KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { decodeSign1, encodeSign1, readSignerHeader, verifySign1, writeSignerHeader } from "./cose-sign.ts";
import type { SigningIdentity } from "./identity.ts";
import {
  DIRECTIVE_DOCUMENT_BYTES_MAX,
  DIRECTIVE_ID_BYTES,
  DIRECTIVE_URL_BYTES_MAX,
  DIRECTIVE_VERSION_BYTES_MAX,
  HASH_BYTES,
} from "./limits.ts";

/** What a directive asks for. */
export type DirectiveBody =
  | {
      readonly kind: "config";
      /** Grows with every change that a collector gives to this gateway. */
      readonly revision: number;
      /** JSON text of a merge patch (RFC 7396) that is laid over the gateway's own document, in place of the one before. */
      readonly document: string;
    }
  | {
      readonly kind: "release";
      /** Where the release's files are. */
      readonly url: string;
      readonly version: string;
      /** Of the one manifest that is meant. */
      readonly manifestSha256: Uint8Array;
    }
  /** Of a kind that this version does not know: refused, and said so. */
  | { readonly kind: "unknown"; readonly number: number };

/** What a collector asks one gateway to do, signed by the key that the gateway is configured with. docs/protocol.md §3.6. */
export interface Directive {
  /** 16 random bytes; the gateway's answers name them. */
  readonly id: Uint8Array;
  /** Id of the gateway that it is meant for. */
  readonly gateway: Uint8Array;
  /** Unix ms of the collector, later than that of every other directive for this gateway. */
  readonly issued: number;
  /** Unix ms from which on nobody may begin it. */
  readonly notAfter: number;
  readonly body: DirectiveBody;
}

/** Keeps the signed bytes apart from everything else that a collector's key signs. */
const MARK = "paddock-directive";
const KIND_CONFIG = 1;
const KIND_RELEASE = 2;
const BODY_BYTES_MAX = DIRECTIVE_DOCUMENT_BYTES_MAX + 256;

/** Throws RangeError for what a reader would not take. */
export function signDirective(identity: SigningIdentity, directive: Directive): Buffer {
  const { id, gateway, issued, notAfter, body } = directive;
  if (id.length !== DIRECTIVE_ID_BYTES) throw new RangeError(`an id of ${id.length} bytes`);
  const writer = new CborWriter(512).array(6).text(MARK).bytes(id).bytes(gateway).int(issued).int(notAfter);
  writeBody(writer, body);
  return encodeSign1(identity.privateKey, writeSignerHeader(identity.id), writer.finish());
}

function writeBody(writer: CborWriter, body: DirectiveBody): void {
  switch (body.kind) {
    case "config":
      within("document", body.document, DIRECTIVE_DOCUMENT_BYTES_MAX);
      writer.array(3).int(KIND_CONFIG).int(body.revision).text(body.document);
      return;
    case "release":
      within("url", body.url, DIRECTIVE_URL_BYTES_MAX);
      within("version", body.version, DIRECTIVE_VERSION_BYTES_MAX);
      writer.array(4).int(KIND_RELEASE).text(body.url).text(body.version).bytes(body.manifestSha256);
      return;
    case "unknown":
      writer.array(1).int(body.number);
  }
}

function within(what: string, text: string, bytesMax: number): void {
  if (Buffer.byteLength(text) > bytesMax) throw new RangeError(`${what} above ${bytesMax} bytes`);
}

/** Reads a directive and verifies that `publicKey` signed it. Whom it is for and when is for the caller to look at. */
export function openDirective(
  encoded: Uint8Array,
  publicKey: KeyObject,
): Outcome<Directive, "directive-format" | "directive-signature"> {
  const parts = decodeSign1(encoded, BODY_BYTES_MAX);
  if (!parts.ok) return refuse("directive-format", parts.detail);
  const signer = readSignerHeader(parts.value.protectedBytes);
  if (!signer.ok) return refuse("directive-format", signer.detail);
  if (!verifySign1(parts.value, publicKey)) {
    return refuse("directive-signature", "The directive is not signed by the collector's key.");
  }
  const reader = new CborReader(parts.value.payload);
  reader.array("directive", 6);
  if (reader.text("mark", MARK.length) !== MARK) reader.fail("this is no directive");
  const id = reader.bytes("id", DIRECTIVE_ID_BYTES);
  const gateway = reader.bytes("gateway", HASH_BYTES);
  const issued = reader.int("issued");
  const notAfter = reader.int("not after");
  const body = readBody(reader);
  reader.end("directive");
  if (reader.problem !== undefined) return refuse("directive-format", reader.problem);
  return accept({ id, gateway, issued, notAfter, body });
}

function readBody(reader: CborReader): DirectiveBody {
  const items = reader.array("body", 1, 8);
  const kind = reader.uint("kind");
  if (kind === KIND_CONFIG && items === 3) {
    const revision = reader.uint("revision");
    return { kind: "config", revision, document: reader.text("document", DIRECTIVE_DOCUMENT_BYTES_MAX, 2) };
  }
  if (kind === KIND_RELEASE && items === 4) {
    const url = reader.text("url", DIRECTIVE_URL_BYTES_MAX, 1);
    const version = reader.text("version", DIRECTIVE_VERSION_BYTES_MAX, 1);
    return { kind: "release", url, version, manifestSha256: reader.bytes("manifest hash", HASH_BYTES) };
  }
  if (kind === KIND_CONFIG || kind === KIND_RELEASE) reader.fail(`a body of kind ${kind} has ${items} items`);
  for (let index = 1; index < items; index++) reader.skip("body");
  return { kind: "unknown", number: kind };
}

/**
 * Fields of a gateway's configuration that no directive may change, by their keys: who the gateway is, whom it believes,
 * where its data and sockets are, and what somebody at the gateway said of directives.
 */
const FIXED_FIELDS: readonly (readonly string[])[] = [
  ["dataDir"],
  ["identity"],
  ["collector", "publicKey"],
  ["collector", "ca"],
  ["collector", "claim"],
  ["sensors", "file"],
  ["status"],
  ["bfd"],
  ["directives"],
  ["notices"],
];

/** The fixed fields that a merge patch touches, as `collector.publicKey`; to take a section away touches what is in it. */
export function fixedFieldsIn(patch: Readonly<Record<string, unknown>>): string[] {
  return FIXED_FIELDS.filter(([section, field]) => {
    if (!Object.hasOwn(patch, section!)) return false;
    const value = patch[section!];
    // What is no object takes the place of the whole section.
    return field === undefined || typeof value !== "object" || value === null || Object.hasOwn(value, field);
  }).map((keys) => keys.join("."));
}
