import type { KeyObject } from "node:crypto";
import type { ChainId } from "@paddock/store/types.ts";
import { decodeHeader, headerHash, verifyHeader, type BatchHeader } from "@paddock/wire/batch-header.ts";

/**
 * What a stored header says, when it is as its gateway signed it and stands at its place; undefined when the disk made
 * something else of it.
 */
export function soundHeader(encoded: Uint8Array, chain: ChainId, seq: number, key: KeyObject): BatchHeader | undefined {
  const decoded = decodeHeader(encoded);
  if (!decoded.ok) return undefined;
  const { gateway, position } = decoded.value;
  const inPlace =
    Buffer.compare(gateway, chain.gateway) === 0 &&
    position.lane === chain.lane &&
    position.epoch === chain.epoch &&
    position.seq === seq;
  return inPlace && verifyHeader(encoded, key) ? decoded.value : undefined;
}

/** How many of `headers`, which stand from `first` on, are sound and follow each other. */
export function soundRun(
  headers: readonly { readonly seq: number; readonly header: Uint8Array }[],
  chain: ChainId,
  first: number,
  key: KeyObject,
): number {
  let before: Uint8Array | undefined;
  for (const [index, { seq, header }] of headers.entries()) {
    const sound = seq === first + index ? soundHeader(header, chain, seq, key) : undefined;
    if (sound === undefined) return index;
    const { previous } = sound.position;
    if (before !== undefined && (previous === null || Buffer.compare(before, previous) !== 0)) return index;
    before = headerHash(header);
  }
  return headers.length;
}
