import { createHash, type KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "../cbor-read.ts";
import { CborWriter } from "../cbor-write.ts";
import { decodeSign1, encodeSign1, readSignerHeader, verifySign1, writeSignerHeader } from "../cose-sign.ts";
import { partyId, rawPublicKey, type SigningIdentity } from "../identity.ts";
import { HASH_BYTES, MANIFEST_BYTES_MAX, RELEASE_CHUNKS_MAX, RELEASE_PART_BYTES_MAX } from "../limits.ts";
import { CHUNK_BLOCK_BYTES, CHUNK_BLOCKS_MAX, type Chunk } from "./chunks.ts";
import { isVersion } from "./version.ts";

/**
 * What a release is, signed by its maker (COSE_Sign1, wire.cddl `manifest`). Nothing in it ends by itself: a device whose
 * clock stands in 1970 believes the same manifests as every other.
 */
export interface ReleaseManifest {
  readonly version: string;
  /** As systemd names architectures: x86-64, arm64. */
  readonly arch: string;
  readonly board: string;
  /** Until when there will be updates, YYYY-MM-DD; for people. */
  readonly supportedUntil: string;
  /** Unix seconds of the sources; for people. */
  readonly created: number;
  /** Of the sources, hex. */
  readonly commit: string;
  /** The root file system, in whole blocks. */
  readonly root: ReleasePart & ReleaseVerity;
  /** The program that the boot loader starts. */
  readonly uki: ReleasePart;
}

export interface ReleasePart {
  readonly bytes: number;
  /** In order, without gaps. */
  readonly chunks: readonly Chunk[];
}

/** What the tree of hashes over the root file system is made with (wire/dm-verity.ts), and what has to come out. */
export interface ReleaseVerity {
  readonly rootHash: Uint8Array;
  readonly salt: Uint8Array;
  /** Of the tree's header. */
  readonly uuid: Uint8Array;
}

const FORMAT = 1;
const SALT_BYTES_MAX = 256;
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const COMMIT = /^[0-9a-f]{40,64}$/;

/** Throws RangeError for what a reader would refuse. */
export function signManifest(signer: SigningIdentity, manifest: ReleaseManifest): Buffer {
  const { root, uki } = manifest;
  const writer = new CborWriter(4096).map(9);
  writePart(writer.text("uki").map(3), uki);
  writer.text("arch").text(manifest.arch).text("root").map(6);
  writePart(writer.text("salt").bytes(root.salt).text("uuid").bytes(root.uuid), root);
  writer.text("root-hash").bytes(root.rootHash);
  writer.text("board").text(manifest.board).text("commit").text(manifest.commit).text("format").int(FORMAT);
  writer.text("created").int(manifest.created).text("version").text(manifest.version);
  writer.text("supported-until").text(manifest.supportedUntil);
  const encoded = encodeSign1(signer.privateKey, writeSignerHeader(signer.id), writer.finish());
  const read = openManifest(encoded, [signer.publicKey]);
  if (!read.ok) throw new RangeError(`a manifest that nobody could read: ${read.detail}`);
  return encoded;
}

function writePart(writer: CborWriter, { bytes, chunks }: ReleasePart): void {
  const blocks = Buffer.from(chunks.map((chunk) => Math.ceil(chunk.bytes / CHUNK_BLOCK_BYTES)));
  writer.text("bytes").int(bytes).text("blocks").bytes(blocks);
  writer.text("hashes").bytes(Buffer.concat(chunks.map(({ hash }) => hash)));
}

/** Reads a manifest that one of `keys` (Ed25519) signed. What is not signed is not looked into. */
export function openManifest(
  encoded: Uint8Array,
  keys: readonly KeyObject[],
): Outcome<ReleaseManifest, "manifest-format" | "manifest-signature"> {
  const parts = decodeSign1(encoded, MANIFEST_BYTES_MAX);
  if (!parts.ok) return refuse("manifest-format", parts.detail);
  const signer = readSignerHeader(parts.value.protectedBytes);
  if (!signer.ok) return refuse("manifest-format", signer.detail);
  const kid = Buffer.from(signer.value);
  const key = keys.find((one) => kid.equals(partyId(rawPublicKey(one))));
  if (key === undefined)
    return refuse("manifest-signature", `It is signed by the key ${kid.toString("hex", 0, 8)}…, which is not trusted.`);
  if (!verifySign1(parts.value, key)) return refuse("manifest-signature", "Its signature does not hold.");
  const reader = new CborReader(parts.value.payload);
  const manifest = readManifest(reader);
  return reader.problem === undefined ? accept(manifest) : refuse("manifest-format", reader.problem);
}

/** What names one manifest among all, hex. */
export function manifestHash(encoded: Uint8Array): string {
  return createHash("sha256").update(encoded).digest("hex");
}

function readManifest(reader: CborReader): ReleaseManifest {
  const key = (name: string): void => {
    if (reader.text("key", 16) !== name) reader.fail(`there is no ${name} where it belongs`);
  };
  const matching = (name: string, form: { test(text: string): boolean }, bytesMax: number): string => {
    key(name);
    const text = reader.text(name, bytesMax);
    if (!form.test(text)) reader.fail(`${name} is ${JSON.stringify(text)}`);
    return text;
  };
  const part = (name: string): ReleasePart => {
    key("bytes");
    const bytes = reader.uint(`bytes of ${name}`, RELEASE_PART_BYTES_MAX);
    key("blocks");
    const blocks = reader.bytes(`blocks of ${name}`, 1, RELEASE_CHUNKS_MAX);
    key("hashes");
    const hashes = reader.bytes(`hashes of ${name}`, blocks.length * HASH_BYTES);
    return { bytes, chunks: reader.problem === undefined ? chunksFrom(reader, name, bytes, blocks, hashes) : [] };
  };
  reader.map("manifest", 9);
  key("uki");
  reader.map("uki", 3);
  const uki = part("uki");
  const arch = matching("arch", NAME, 32);
  key("root");
  reader.map("root", 6);
  key("salt");
  const salt = reader.bytes("salt", 0, SALT_BYTES_MAX);
  key("uuid");
  const uuid = reader.bytes("uuid", 16);
  const root = part("root");
  if (root.bytes % CHUNK_BLOCK_BYTES !== 0) reader.fail(`root has ${root.bytes} bytes, not whole blocks`);
  key("root-hash");
  const rootHash = reader.bytes("root-hash", HASH_BYTES);
  const board = matching("board", NAME, 32);
  const commit = matching("commit", COMMIT, 64);
  key("format");
  const format = reader.uint("format");
  if (format !== FORMAT) reader.fail(`format is ${format}, and this release reads ${FORMAT}`);
  key("created");
  const created = reader.uint("created");
  const version = matching("version", { test: isVersion }, 64);
  const supportedUntil = matching("supported-until", DATE, 10);
  reader.end("manifest");
  return {
    version,
    arch,
    board,
    supportedUntil,
    created,
    commit,
    root: { ...root, rootHash, salt, uuid },
    uki,
  };
}

/** Chunks of as many blocks each as `blocks` says; only the last one may end within a block. */
function chunksFrom(reader: CborReader, name: string, total: number, blocks: Uint8Array, hashes: Uint8Array): Chunk[] {
  let offset = 0;
  const chunks = Array.from(blocks, (count, index): Chunk => {
    if (count === 0 || count > CHUNK_BLOCKS_MAX) reader.fail(`a chunk of ${name} has ${count} blocks`);
    const bytes = Math.min(count * CHUNK_BLOCK_BYTES, Math.max(0, total - offset));
    if (bytes <= (count - 1) * CHUNK_BLOCK_BYTES) reader.fail(`the chunks of ${name} are longer than it`);
    const chunk = { offset, bytes, hash: hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES) };
    offset += bytes;
    return chunk;
  });
  if (offset !== total) reader.fail(`the chunks of ${name} have ${offset} bytes, and it has ${total}`);
  return chunks;
}
