import { createHash } from "node:crypto";

/** Numbers that others draw by chance, made from the version: two builds of one version have the same. */
export class FixedIds {
  readonly #version: string;

  constructor(version: string) {
    this.#version = version;
  }

  /** 32 bytes. */
  bytes(purpose: string): Buffer {
    return createHash("sha256").update(`paddock image ${this.#version} ${purpose}`).digest();
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
