import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { encodeUintOption, readUintOption } from "./coap-options.ts";

/** The value of a Block1 or Block2 option (RFC 7959 §2.2). */
export interface Block {
  /** Number of the block, from 0, in units of its own size. At most 2^20-1. */
  readonly num: number;
  /** Whether more blocks follow. */
  readonly more: boolean;
  /** Size exponent, 0 to 6: blocks of 2^(szx + 4) bytes. */
  readonly szx: number;
}

export const BLOCK_NUM_MAX = 0xf_ffff;
export const BLOCK_SZX_MAX = 6;

/** Bytes of a block: 16 to 1024. */
export function blockBytes(szx: number): number {
  return 1 << (szx + 4);
}

/** Where the block starts in the whole body, in bytes. */
export function blockOffset(block: Block): number {
  return block.num * blockBytes(block.szx);
}

/** Reads an option value of 0 to 3 bytes. The reserved size exponent 7 is refused; the answer to it is 4.00. */
export function readBlock(bytes: Uint8Array, start: number, length: number): Outcome<Block, "block"> {
  if (length > 3) return refuse("block", `A Block option has ${length} bytes; at most 3 are allowed.`);
  const value = readUintOption(bytes, start, length);
  const szx = value & 7;
  if (szx > BLOCK_SZX_MAX) return refuse("block", "A Block option has the reserved size exponent 7.");
  return accept({ num: value >> 4, more: (value & 8) !== 0, szx });
}

/** Throws RangeError for a number or size exponent that the option cannot hold. */
export function encodeBlock({ num, more, szx }: Block): Uint8Array {
  if (!Number.isInteger(num) || num < 0 || num > BLOCK_NUM_MAX) throw new RangeError(`block number ${num}`);
  if (!Number.isInteger(szx) || szx < 0 || szx > BLOCK_SZX_MAX) throw new RangeError(`block size exponent ${szx}`);
  return encodeUintOption((num << 4) | (more ? 8 : 0) | szx);
}
