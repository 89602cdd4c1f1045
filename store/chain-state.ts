import type { Range, Ranges } from "@paddock/base/ranges.ts";
import { isNormal } from "@paddock/base/ranges.ts";
import { CborReader } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import type { ChainId, ChainSummary } from "./types.ts";

/**
 * All that the store knows of one chain without reading its batches: the public summary and what finds it again. Values
 * are never changed in place, so a reader keeps a consistent one while the next is prepared. A state is persisted
 * whole, not as a delta, in the same atomic write as what it describes.
 */
export interface ChainState extends ChainSummary {
  /** The 37 bytes of the chain in keys. */
  readonly key: Uint8Array;
  /** Number of the store's write that last touched this chain: start-up checks the latest first. */
  readonly written: number;
}

/** What may be prepared before it becomes a ChainState. */
export type ChainDraft = { -readonly [Key in keyof ChainState]: ChainState[Key] };

/**
 * Runs of held seqs that one chain may have. State grows with the gaps and is rewritten with every write, so a peer
 * must not be able to make it large; filling gaps makes room again.
 */
export const RUNS_MAX = 4096;

/**
 * Runs of evicted seqs that one chain may have. A ledger trims nothing, so there they only grow: by one for every outage
 * that cost payloads. At this bound the state takes 170 KB and a write to the chain a millisecond more.
 */
export const EVICTED_RUNS_MAX = 16_384;

/** Runs that are read back, of any kind: more than are ever written. */
const RUNS_READ_MAX = 1 << 18;

export function emptyChain(id: ChainId, key: Uint8Array): ChainState {
  return {
    id: { gateway: Buffer.from(id.gateway), lane: id.lane, epoch: id.epoch },
    key,
    written: 0,
    head: undefined,
    held: [],
    trimmed: [],
    evicted: [],
    acknowledged: [],
    linked: 0,
    linkedHead: undefined,
    bytes: 0,
    records: 0,
    unacknowledgedBytes: 0,
    unacknowledgedRecords: 0,
  };
}

export function encodeChainState(state: ChainState): Buffer {
  const writer = new CborWriter(256).array(12).int(state.written);
  if (state.head === undefined) writer.null();
  else writer.array(2).int(state.head.seq).bytes(state.head.hash);
  writeRanges(writer, state.held);
  writeRanges(writer, state.trimmed);
  writeRanges(writer, state.evicted);
  writeRanges(writer, state.acknowledged);
  writer.int(state.linked);
  if (state.linkedHead === undefined) writer.null();
  else writer.bytes(state.linkedHead);
  return writer
    .int(state.bytes)
    .int(state.records)
    .int(state.unacknowledgedBytes)
    .int(state.unacknowledgedRecords)
    .finish();
}

/** Reads a state, or returns what is wrong with it. */
export function decodeChainState(id: ChainId, key: Uint8Array, encoded: Uint8Array): ChainState | string {
  const reader = new CborReader(encoded);
  reader.array("chain state", 12);
  const written = reader.uint("written");
  let head: ChainState["head"];
  if (!reader.takeNull()) {
    reader.array("head", 2);
    head = { seq: reader.uint("head seq"), hash: Uint8Array.from(reader.bytes("head hash", HASH_BYTES)) };
  }
  const held = readStateRanges(reader, "held");
  const trimmed = readStateRanges(reader, "trimmed");
  const evicted = readStateRanges(reader, "evicted");
  const acknowledged = readStateRanges(reader, "acknowledged");
  const linked = reader.uint("linked");
  const linkedHead = reader.takeNull() ? undefined : Uint8Array.from(reader.bytes("linked head", HASH_BYTES));
  const bytes = reader.uint("bytes");
  const records = reader.uint("records");
  const unacknowledgedBytes = reader.uint("unacknowledged bytes");
  const unacknowledgedRecords = reader.uint("unacknowledged records");
  reader.end("chain state");
  if (reader.problem !== undefined) return reader.problem;
  return {
    id,
    key,
    written,
    head,
    held,
    trimmed,
    evicted,
    acknowledged,
    linked,
    linkedHead,
    bytes,
    records,
    unacknowledgedBytes,
    unacknowledgedRecords,
  };
}

export function writeRanges(writer: CborWriter, ranges: Ranges): void {
  writer.array(ranges.length);
  for (const [first, last] of ranges) writer.array(2).int(first).int(last);
}

export function readStateRanges(reader: CborReader, what: string): Ranges {
  const ranges: Range[] = [];
  const count = reader.array(what, 0, RUNS_READ_MAX);
  for (let index = 0; index < count && reader.problem === undefined; index++) {
    reader.array("range", 2);
    const first = reader.uint("first");
    ranges.push([first, reader.uint("last")]);
  }
  if (reader.problem === undefined && !isNormal(ranges)) reader.fail(`${what} is not sorted and disjoint`);
  return ranges;
}

/** `ranges` with `seq` added; quick where most seqs go: behind the last one. */
export function withSeq(ranges: Ranges, seq: number): Ranges {
  const tail = ranges.at(-1);
  if (tail === undefined || seq > tail[1] + 1) return [...ranges, [seq, seq]];
  if (seq === tail[1] + 1) return [...ranges.slice(0, -1), [tail[0], seq]];
  const result: Range[] = [];
  let added: [number, number] | undefined = [seq, seq];
  for (const range of ranges) {
    if (added === undefined || range[1] + 1 < added[0]) {
      result.push(range);
    } else if (range[0] > added[1] + 1) {
      result.push(added, range);
      added = undefined;
    } else {
      added = [Math.min(added[0], range[0]), Math.max(added[1], range[1])];
    }
  }
  if (added !== undefined) result.push(added);
  return result;
}

/** The range that holds `seq`, or undefined. */
export function rangeAround(ranges: Ranges, seq: number): Range | undefined {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle]!;
    if (seq < range[0]) high = middle - 1;
    else if (seq > range[1]) low = middle + 1;
    else return range;
  }
  return undefined;
}
