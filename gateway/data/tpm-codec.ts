import type { SealedKey } from "@paddock/wire/key-slot.ts";

/*
 * As much of the commands of TPM 2.0 as keeping one secret takes (Trusted Computing Group, "TPM 2.0 Library", part 2 "Structures"
 * and part 3 "Commands"). Numbers are big-endian.
 */

const NO_SESSIONS = 0x8001;
const SESSIONS = 0x8002;
const COMMANDS = {
  create: 0x153,
  createPrimary: 0x131,
  load: 0x157,
  unseal: 0x15e,
  clear: 0x126,
  flush: 0x165,
} as const;
/** TPM_RH_OWNER, TPM_RH_LOCKOUT: who may make keys, and who may have all forgotten. */
const OWNER = 0x4000_0001;
const LOCKOUT = 0x4000_000a;
const HEAD_BYTES = 10;

/** An empty password of one handle (TPMS_AUTH_COMMAND with TPM_RS_PW). */
const EMPTY_PASSWORD = Buffer.from([0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
const EMPTY = Buffer.from([0, 0]);
const NO_REGISTERS = Buffer.alloc(4);

/** What the attributes are called in part 2, 8.3. */
const ATTRIBUTES = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  noDictionaryAttack: 1 << 10,
  restricted: 1 << 16,
  decrypt: 1 << 17,
} as const;

/** The storage key of the TPM that everything else hangs on: P-256, AES-128-CFB, the same each time it is asked for. */
const STORAGE_KEY = Buffer.concat([
  u16(0x23),
  u16(0x0b),
  u32(
    ATTRIBUTES.fixedTpm |
      ATTRIBUTES.fixedParent |
      ATTRIBUTES.sensitiveDataOrigin |
      ATTRIBUTES.userWithAuth |
      ATTRIBUTES.noDictionaryAttack |
      ATTRIBUTES.restricted |
      ATTRIBUTES.decrypt,
  ),
  EMPTY,
  ...[0x06, 128, 0x43, 0x10, 0x03, 0x10].map(u16),
  EMPTY,
  EMPTY,
]);

/** Data that no other TPM can open (TPM_ALG_KEYEDHASH without a scheme). */
const SEALED_DATA = Buffer.concat([
  u16(0x08),
  u16(0x0b),
  u32(ATTRIBUTES.fixedTpm | ATTRIBUTES.fixedParent | ATTRIBUTES.userWithAuth | ATTRIBUTES.noDictionaryAttack),
  EMPTY,
  u16(0x10),
  EMPTY,
]);

export const createPrimary = (): Buffer =>
  command(COMMANDS.createPrimary, OWNER, [
    sized(Buffer.concat([EMPTY, EMPTY])),
    sized(STORAGE_KEY),
    EMPTY,
    NO_REGISTERS,
  ]);

export const create = (parent: number, secret: Uint8Array): Buffer =>
  command(COMMANDS.create, parent, [
    sized(Buffer.concat([EMPTY, sized(secret)])),
    sized(SEALED_DATA),
    EMPTY,
    NO_REGISTERS,
  ]);

export const load = (parent: number, { publicArea, privateArea }: SealedKey): Buffer =>
  command(COMMANDS.load, parent, [privateArea, publicArea]);

export const unseal = (handle: number): Buffer => command(COMMANDS.unseal, handle, []);

/** Has the TPM forget its storage seed: whatever was sealed with it is noise from then on. */
export const clear = (): Buffer => command(COMMANDS.clear, LOCKOUT, []);

export function flush(handle: number): Buffer {
  return Buffer.concat([u16(NO_SESSIONS), u32(HEAD_BYTES + 4), u32(COMMANDS.flush), u32(handle)]);
}

/** An answer as it stands; `code` is 0 where the TPM did what it was asked to. Undefined: these bytes are no answer. */
export function decodeAnswer(bytes: Buffer): { readonly code: number; readonly body: Buffer } | undefined {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32BE(2) !== bytes.length) return undefined;
  return { code: bytes.readUInt32BE(6), body: bytes.subarray(HEAD_BYTES) };
}

/** The handle in front of what CreatePrimary and Load answer. Undefined: it is cut off. */
export function handleOf(body: Buffer): number | undefined {
  return body.length < 4 ? undefined : body.readUInt32BE(0);
}

/** The secret in an answer to Unseal. Undefined: it is cut off. */
export function secretOf(body: Buffer): Buffer | undefined {
  return sizedParts(body, 1)?.[0]?.subarray(2);
}

/** What Create answers with. Undefined: it is cut off. */
export function sealedOf(body: Buffer): SealedKey | undefined {
  const parts = sizedParts(body, 2);
  return parts === undefined ? undefined : { privateArea: parts[0]!, publicArea: parts[1]! };
}

/** The first parameters of an answer with a session, each with its length in front. */
function sizedParts(body: Buffer, count: number): Buffer[] | undefined {
  const parts: Buffer[] = [];
  let at = 4;
  while (parts.length < count) {
    if (at + 2 > body.length) return undefined;
    const end = at + 2 + body.readUInt16BE(at);
    if (end > body.length) return undefined;
    parts.push(body.subarray(at, end));
    at = end;
  }
  return parts;
}

function command(code: number, handle: number, parameters: readonly Buffer[]): Buffer {
  const rest = Buffer.concat([u32(handle), u32(EMPTY_PASSWORD.length), EMPTY_PASSWORD, ...parameters]);
  return Buffer.concat([u16(SESSIONS), u32(HEAD_BYTES + rest.length), u32(code), rest]);
}

function sized(bytes: Uint8Array): Buffer {
  return Buffer.concat([u16(bytes.length), bytes]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
