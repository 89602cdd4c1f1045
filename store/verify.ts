import type { KeyObject } from "node:crypto";
import { decodeHeader, headerHash, sha256, verifyHeader, type BatchHeader } from "@paddock/wire/batch-header.ts";
import { contains } from "@paddock/base/ranges.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { readRaw } from "./store-reads.ts";
import type { StoreCore } from "./store-core.ts";
import type { ChainId, StoredBatch } from "./types.ts";

export interface VerifyOptions {
  /** First and last seq; by default all that is held. */
  readonly from?: number;
  readonly to?: number;
  /** With the gateway's key the signature of every header is verified too. */
  readonly publicKey?: KeyObject;
}

/** A place where the chain does not hold. `expected` and `found` are words or hex hashes. */
export interface ChainBreak {
  readonly seq: number;
  readonly fault:
    | "missing"
    | "header"
    | "place"
    | "signature"
    | "link"
    | "payload-missing"
    | "payload-size"
    | "payload-hash";
  readonly expected: string;
  readonly found: string;
}

export interface ChainVerification {
  readonly chain: ChainId;
  /** Batches looked at, and records of those with a payload. */
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  /** Batches whose payload was evicted; their header was checked. */
  readonly evicted: number;
  /** The first breaks; `broken` counts them all. */
  readonly breaks: readonly ChainBreak[];
  readonly broken: number;
}

const BREAKS_LISTED = 1000;

/**
 * Checks every held batch of a chain against itself, its neighbour and, with a key, its signature. Reads one at a time.
 */
export async function verifyChain(
  core: StoreCore,
  entry: ChainEntry,
  options: VerifyOptions,
): Promise<ChainVerification> {
  const breaks: ChainBreak[] = [];
  const totals = { batches: 0, records: 0, bytes: 0, evicted: 0, broken: 0 };
  const report = (found: ChainBreak): void => {
    totals.broken++;
    tell(core, entry, found);
    if (breaks.length < BREAKS_LISTED) breaks.push(found);
  };
  const { from = 0, to = Number.MAX_SAFE_INTEGER, publicKey } = options;
  let before: { seq: number; hash: Buffer } | undefined;
  for (const [runFirst, runLast] of entry.published?.held ?? []) {
    for (let seq = Math.max(runFirst, from); seq <= Math.min(runLast, to); seq++) {
      const { header: encoded, payload = null } = await readRaw(core, entry, seq);
      // Trimmed while we were reading.
      if (encoded === undefined && contains(entry.working.trimmed, seq)) continue;
      totals.batches++;
      if (encoded === undefined) {
        report({ seq, fault: "missing", expected: "a header", found: "none" });
        before = undefined;
        continue;
      }
      const batch = { seq, header: encoded, payload };
      totals.bytes += batch.header.length + (batch.payload?.length ?? 0);
      const header = checkHeader(entry, batch, publicKey, report);
      if (header !== undefined) {
        if (before?.seq === seq - 1) checkLink(seq, header, before.hash, report);
        checkPayload(entry, batch, header, totals, report);
      }
      before = { seq, hash: headerHash(batch.header) };
    }
  }
  checkHead(entry, before, to, report);
  return { chain: entry.working.id, ...totals, breaks };
}

function tell(core: StoreCore, entry: ChainEntry, { seq, fault, expected, found }: ChainBreak): void {
  const what = fault.startsWith("payload") ? "payload" : "header";
  const detail = `Batch ${seq} does not hold (${fault}): expected ${expected}, found ${found}.`;
  core.damage.tell({ chain: entry.working.id, seq, what, detail });
}

type Report = (found: ChainBreak) => void;

function checkHeader(
  entry: ChainEntry,
  { seq, header: encoded }: StoredBatch,
  publicKey: KeyObject | undefined,
  report: Report,
): BatchHeader | undefined {
  const decoded = decodeHeader(encoded);
  if (!decoded.ok) {
    report({ seq, fault: "header", expected: "a batch header", found: decoded.detail });
    return undefined;
  }
  const { gateway, position } = decoded.value;
  const { id } = entry.working;
  const expected = placeName(id.gateway, id.lane, id.epoch, seq);
  const found = placeName(gateway, position.lane, position.epoch, position.seq);
  if (expected !== found) report({ seq, fault: "place", expected, found });
  if (publicKey !== undefined && !verifyHeader(encoded, publicKey)) {
    report({ seq, fault: "signature", expected: "a signature by the gateway's key", found: "another" });
  }
  return decoded.value;
}

function checkLink(seq: number, header: BatchHeader, before: Buffer, report: Report): void {
  const { previous } = header.position;
  if (previous !== null && before.equals(previous)) return;
  const found = previous === null ? "null" : Buffer.from(previous).toString("hex");
  report({ seq, fault: "link", expected: before.toString("hex"), found });
}

function checkPayload(
  entry: ChainEntry,
  { seq, payload }: StoredBatch,
  header: BatchHeader,
  totals: { records: number; evicted: number },
  report: Report,
): void {
  const { size, count } = header.position;
  if (payload === null) {
    if (contains(entry.working.evicted, seq)) totals.evicted++;
    else report({ seq, fault: "payload-missing", expected: `${size} bytes`, found: "none" });
    return;
  }
  totals.records += count;
  if (payload.length !== size) {
    report({ seq, fault: "payload-size", expected: `${size} bytes`, found: `${payload.length} bytes` });
    return;
  }
  const hash = sha256(payload);
  if (hash.equals(header.payloadHash)) return;
  const expected = Buffer.from(header.payloadHash).toString("hex");
  report({ seq, fault: "payload-hash", expected, found: hash.toString("hex") });
}

/** Whether the last header is the one that the chain's state names. */
function checkHead(
  entry: ChainEntry,
  last: { seq: number; hash: Buffer } | undefined,
  to: number,
  report: Report,
): void {
  const head = entry.working.head;
  if (head === undefined || last === undefined || last.seq !== head.seq || to < head.seq) return;
  if (last.hash.equals(head.hash)) return;
  report({
    seq: head.seq,
    fault: "header",
    expected: Buffer.from(head.hash).toString("hex"),
    found: last.hash.toString("hex"),
  });
}

function placeName(gateway: Uint8Array, lane: number, epoch: number, seq: number): string {
  return `${Buffer.from(gateway).toString("hex")}/${lane}/${epoch}/${seq}`;
}
