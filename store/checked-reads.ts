import { contains } from "@paddock/base/ranges.ts";
import { decodeHeader, headerHash, sha256, type BatchHeader } from "@paddock/wire/batch-header.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { chainBytes, KEY_SPACES, seqKey } from "./keyspace.ts";
import type { StoreCore } from "./store-core.ts";
import { valuesOf } from "./tolerant-reads.ts";
import type { ChainId, StoredBatch } from "./types.ts";

/** A header that was held against its place and, where that is known, against the hash that its follower names. */
export interface CheckedHeader {
  readonly header: Uint8Array;
  readonly decoded: BatchHeader;
}

/**
 * Checks consecutive headers from seq `first` on. `named` is the hash that the batch behind the last of them names, or
 * undefined when nobody knows. What cannot be believed is undefined in the result, told as damage unless it was trimmed
 * meanwhile. Walks backwards: a header that fails is no witness for the one before it.
 */
export function checkHeaders(
  core: StoreCore,
  entry: ChainEntry,
  first: number,
  headers: readonly (Uint8Array | undefined)[],
  named: Uint8Array | undefined,
): (CheckedHeader | undefined)[] {
  const checked: (CheckedHeader | undefined)[] = Array.from({ length: headers.length });
  let expected = named;
  for (let index = headers.length - 1; index >= 0; index--) {
    const seq = first + index;
    const header = headers[index];
    const found = checkHeader(entry.working.key, seq, header, expected);
    if (typeof found === "string") {
      expected = undefined;
      if (header === undefined && contains(entry.working.trimmed, seq)) continue;
      const { id } = entry.working;
      core.damage.tell({ chain: id, seq, what: "header", detail: `The header of batch ${seq} ${found}.` });
    } else {
      checked[index] = found;
      expected = found.decoded.position.previous ?? undefined;
    }
  }
  return checked;
}

function checkHeader(
  key: Uint8Array,
  seq: number,
  header: Uint8Array | undefined,
  expected: Uint8Array | undefined,
): CheckedHeader | string {
  if (header === undefined) return "is missing";
  const read = decodeHeader(header);
  if (!read.ok) return `does not decode: ${read.detail}`;
  const decoded = read.value;
  const { lane, epoch } = decoded.position;
  if (decoded.position.seq !== seq || !isOf(key, { gateway: decoded.gateway, lane, epoch })) {
    return "is that of another place";
  }
  if (expected !== undefined && Buffer.compare(headerHash(header), expected) !== 0) {
    return "is not the one that the next batch names";
  }
  return { header, decoded };
}

function isOf(key: Uint8Array, id: ChainId): boolean {
  return Buffer.compare(chainBytes(id), key) === 0;
}

/**
 * The hash that the header at `seq` must have: by the chain's state when it is the head, else by the header behind it,
 * if that one is held and is itself what the chain's state or its own follower says.
 */
export async function namedHash(core: StoreCore, entry: ChainEntry, seq: number): Promise<Uint8Array | undefined> {
  const { head, held } = entry.published ?? entry.working;
  if (head === undefined) return undefined;
  if (seq === head.seq) return head.hash;
  if (!contains(held, seq + 1)) return undefined;
  const { key } = entry.working;
  const [next, afterNext] = await valuesOf(core.database, [
    seqKey(KEY_SPACES.header, key, seq + 1),
    seqKey(KEY_SPACES.header, key, seq + 2),
  ]);
  const named = seq + 1 === head.seq ? head.hash : previousOf(afterNext);
  const witness = checkHeader(key, seq + 1, next, named);
  return typeof witness === "string" ? undefined : (witness.decoded.position.previous ?? undefined);
}

/** Whether a header names this one as its predecessor. */
export function isNamedBy(next: Uint8Array | undefined, header: Uint8Array): boolean {
  const named = previousOf(next);
  return named !== undefined && Buffer.compare(named, headerHash(header)) === 0;
}

function previousOf(header: Uint8Array | undefined): Uint8Array | undefined {
  const read = header === undefined ? undefined : decodeHeader(header);
  return read?.ok === true ? (read.value.position.previous ?? undefined) : undefined;
}

/** A batch as it is handed out: with its payload if that is what the header says, else without and told as damage. */
export function checkPayload(
  core: StoreCore,
  entry: ChainEntry,
  { header, decoded }: CheckedHeader,
  payload: Uint8Array | undefined,
): StoredBatch {
  const { seq, size } = decoded.position;
  if (payload !== undefined && payload.length === size && sha256(payload).equals(decoded.payloadHash)) {
    return { seq, header, payload };
  }
  const { id, evicted } = entry.working;
  // Looked up behind the read, so that an eviction during it is not taken for damage.
  if (contains(evicted, seq)) {
    const given = core.duties.loss(id);
    if (given !== undefined && contains(given.seqs, seq)) return { seq, header, payload: null, damaged: true };
    return { seq, header, payload: null };
  }
  const how = payload === undefined ? "is missing" : "does not hash to what its header says";
  core.damage.tell({ chain: id, seq, what: "payload", detail: `The payload of batch ${seq} ${how}.` });
  return { seq, header, payload: null, damaged: true };
}
