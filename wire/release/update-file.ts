import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { MANIFEST_BYTES_MAX } from "../limits.ts";
import type { ReleaseManifest } from "./manifest.ts";

/**
 * One file with all of a release: a head of 16 bytes, the manifest, the root file system, the program for the boot loader.
 * The head: "PADDOCKU", the format's number and the manifest's length in bytes, each 32 bits, big-endian.
 */

export const UPDATE_HEAD_BYTES = 16;
const MAGIC = "PADDOCKU";
const FORMAT = 1;

export function encodeUpdateHead(manifestBytes: number): Buffer {
  const head = Buffer.alloc(UPDATE_HEAD_BYTES);
  head.write(MAGIC, "latin1");
  head.writeUInt32BE(FORMAT, 8);
  head.writeUInt32BE(manifestBytes, 12);
  return head;
}

/** Bytes of the manifest behind a head. */
export function decodeUpdateHead(bytes: Uint8Array): Outcome<number, "update-head"> {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (head.length < UPDATE_HEAD_BYTES || head.toString("latin1", 0, 8) !== MAGIC)
    return refuse("update-head", "It does not begin like an update.");
  const format = head.readUInt32BE(8);
  if (format !== FORMAT) return refuse("update-head", `It has the format ${format}; this release reads ${FORMAT}.`);
  const manifestBytes = head.readUInt32BE(12);
  if (manifestBytes === 0 || manifestBytes > MANIFEST_BYTES_MAX)
    return refuse("update-head", `Its manifest would have ${manifestBytes} bytes, and may have ${MANIFEST_BYTES_MAX}.`);
  return accept(manifestBytes);
}

/** Where the parts of a release are in its file, and where that ends. */
export function updateLayout(
  { root, uki }: ReleaseManifest,
  manifestBytes: number,
): { readonly root: number; readonly uki: number; readonly end: number } {
  const rootAt = UPDATE_HEAD_BYTES + manifestBytes;
  return { root: rootAt, uki: rootAt + root.bytes, end: rootAt + root.bytes + uki.bytes };
}

/** The name of a release's update, or of its manifest alone; "latest" instead of a version: that of the newest one. */
export function releaseFileName(version: string, arch: string, kind: "update" | "manifest"): string {
  return `${version === "latest" ? "latest" : `paddock_${version}`}_${arch}.${kind}`;
}
