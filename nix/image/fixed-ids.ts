import { createHash } from "node:crypto";

/** Numbers that others draw by chance, made from version and architecture: two builds of one have the same. */
export class FixedIds {
  readonly #release: string;

  constructor(version: string, architecture: string) {
    this.#release = `${version} ${architecture}`;
  }

  /** 32 bytes. */
  bytes(purpose: string): Buffer {
    return createHash("sha256").update(`paddock image ${this.#release} ${purpose}`).digest();
  }

  /** A UUID of version 8 (RFC 9562 §5.8). */
  uuid(purpose: string): string {
    const bytes = this.bytes(purpose).subarray(0, 16);
    bytes[6] = (bytes[6]! & 0x0f) | 0x80;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    return uuidText(bytes.toString("hex"));
  }

  /** Number of a FAT file system, 8 hex digits. */
  fat(purpose: string): string {
    return this.bytes(purpose).toString("hex", 0, 4);
  }
}

/** 32 hex digits as a UUID is written. */
export function uuidText(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** A GUID as it lies in a partition table: its first three fields with the lowest byte first (UEFI 2.10, appendix A). */
export function guidText(bytes: Uint8Array): string {
  const fields = [bytes.subarray(0, 4), bytes.subarray(4, 6), bytes.subarray(6, 8)];
  return uuidText(Buffer.concat([...fields.map((field) => field.toReversed()), bytes.subarray(8, 16)]).toString("hex"));
}
