import { createHash } from "node:crypto";

/**
 * The key slot of an encrypted data partition: some lines of text in its first bytes, and a copy of them, in front of where the
 * data begins. The key stands in it as such ("disk"), or sealed by a TPM, or not at all ("none": nothing is encrypted yet, or
 * no longer). A shell reads it as well (nix/image/open-data.sh), so every line is a name, a space, and a value.
 */
export type KeySlot =
  | { readonly keeper: "none" }
  | { readonly keeper: "disk"; readonly key: Buffer }
  | { readonly keeper: "tpm"; readonly sealed: SealedKey };

/** A key as a TPM gives it out: of use to that TPM alone. */
export interface SealedKey {
  /** TPM2B_PUBLIC and TPM2B_PRIVATE (TPM 2.0 part 2, 12.2.5 and 12.3.7), each with its length in front. */
  readonly publicArea: Buffer;
  readonly privateArea: Buffer;
}

/** What the first megabyte of a data partition says that the rest is. */
export type PartitionContent =
  | { readonly kind: "slot"; readonly slot: KeySlot }
  /** A file system without encryption, as earlier images made it. */
  | { readonly kind: "plain" }
  | { readonly kind: "unknown" };

/** Bytes of a key: two of AES-256 (IEEE 1619, XTS). */
export const KEY_BYTES = 64;
/** Bytes in front of the data: none of them is encrypted. */
export const HEAD_BYTES = 1024 * 1024;
/** Bytes of a slot: what a disk writes at once, so that a loss of power leaves one of the two copies whole. */
export const SLOT_BYTES = 4096;
/** Where the two copies begin. */
export const SLOT_OFFSETS = [0, 65_536] as const;

const TITLE = "paddock-data 1";
const SUM = "sha256 ";
const EXT_MAGIC = { offset: 1024 + 56, value: 0xef53 } as const;

/** The bytes of a slot, with zeros behind. */
export function encodeSlot(slot: KeySlot): Buffer {
  const lines = [TITLE, `keeper ${slot.keeper}`];
  if (slot.keeper === "disk") lines.push(`key ${slot.key.toString("hex")}`);
  if (slot.keeper === "tpm")
    lines.push(
      `public ${slot.sealed.publicArea.toString("hex")}`,
      `private ${slot.sealed.privateArea.toString("hex")}`,
    );
  const text = `${lines.join("\n")}\n`;
  const bytes = Buffer.from(`${text}${SUM}${sumOf(text)}\n`);
  if (bytes.length > SLOT_BYTES) throw new RangeError(`A key slot of ${bytes.length} bytes is too large`);
  return Buffer.concat([bytes, Buffer.alloc(SLOT_BYTES - bytes.length)]);
}

/** What every part in front of the data is when there is no key: what a new partition begins with, and a reset leaves. */
export function encodeHead(slot: KeySlot): Buffer {
  const head = Buffer.alloc(SLOT_OFFSETS[1] + SLOT_BYTES);
  for (const offset of SLOT_OFFSETS) encodeSlot(slot).copy(head, offset);
  return head;
}

/** The slot in these bytes; undefined where they are none, or not as they were written. */
export function decodeSlot(bytes: Uint8Array): KeySlot | undefined {
  const text = Buffer.from(bytes.subarray(0, SLOT_BYTES)).toString("latin1");
  const end = text.indexOf(`\n${SUM}`) + 1;
  if (end === 0 || !text.startsWith(`${TITLE}\n`)) return undefined;
  const rest = text.slice(end);
  const expected = `${SUM}${sumOf(text.slice(0, end))}\n`;
  if (rest !== expected.padEnd(rest.length, "\0")) return undefined;
  return slotOf(
    new Map(
      text
        .slice(TITLE.length + 1, end - 1)
        .split("\n")
        .map(nameAndValue),
    ),
  );
}

/** Judges a partition by what is in front of its data, SLOT_OFFSETS[1] + SLOT_BYTES bytes or more. The first good copy counts. */
export function judgeHead(head: Uint8Array): PartitionContent {
  for (const offset of SLOT_OFFSETS) {
    const slot = decodeSlot(head.subarray(offset));
    if (slot !== undefined) return { kind: "slot", slot };
  }
  const magic = Buffer.from(head.subarray(EXT_MAGIC.offset, EXT_MAGIC.offset + 2));
  return { kind: magic.length === 2 && magic.readUInt16LE() === EXT_MAGIC.value ? "plain" : "unknown" };
}

function slotOf(values: ReadonlyMap<string, string>): KeySlot | undefined {
  switch (values.get("keeper")) {
    case "none":
      return values.size === 1 ? { keeper: "none" } : undefined;
    case "disk": {
      const key = hexOf(values.get("key"));
      return key?.length === KEY_BYTES && values.size === 2 ? { keeper: "disk", key } : undefined;
    }
    case "tpm": {
      const [publicArea, privateArea] = [hexOf(values.get("public")), hexOf(values.get("private"))];
      if (publicArea === undefined || privateArea === undefined || values.size !== 3) return undefined;
      return { keeper: "tpm", sealed: { publicArea, privateArea } };
    }
    default:
      return undefined;
  }
}

function nameAndValue(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at === -1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}

function hexOf(text: string | undefined): Buffer | undefined {
  return text !== undefined && /^(?:[0-9a-f]{2})+$/u.test(text) ? Buffer.from(text, "hex") : undefined;
}

function sumOf(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}
