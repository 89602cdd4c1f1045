import type { KeyObject } from "node:crypto";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { accept, type Outcome } from "@paddock/base/outcome.ts";
import { contains, type Ranges } from "@paddock/base/ranges.ts";
import type { ChainId, ChainSummary, ForkEvidence, WriteOutcome } from "@paddock/store/types.ts";
import { checkBatch, decodeBatches, type CheckedBatch } from "@paddock/wire/batch.ts";
import { chainTitle } from "../chain-name.ts";
import type { EvidenceRoom } from "../evidence.ts";
import { activityEntries, activityOf, type ActivityBook } from "../fleet/activity.ts";
import type { Ledger } from "../ledger.ts";
import type { KeptReceipts } from "../proof/kept-receipts.ts";
import { badSignature } from "./verify-headers.ts";
import { walkRecords } from "./walk-records.ts";

/** Why an upload is refused, as HTTP status and as the stable code of the error body. docs/protocol.md §3.1. */
export interface UploadRefusal {
  readonly ok: false;
  readonly status: 400 | 401 | 409 | 422 | 507;
  readonly code: string;
  readonly message: string;
  /** Index of the batch at fault. */
  readonly item?: number | undefined;
}

export interface UploadTaken {
  readonly ok: true;
  /** All seqs of the upload: what the receipt must name. */
  readonly seqs: Ranges;
  readonly batches: number;
  /** Newly stored. */
  readonly storedRecords: number;
  readonly storedBytes: number;
  readonly repeatedBatches: number;
  readonly delayMs: number | null;
}

export interface UploadContext {
  readonly ledger: Ledger;
  readonly evidence: EvidenceRoom;
  readonly activity: ActivityBook;
  readonly keptReceipts: Pick<KeptReceipts, "note">;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Takes an upload for `chain` whose gateway has `key`: all of it becomes durable, or none. Everything that can be
 * checked is checked before the ledger sees it; signatures are verified only for headers that are not held
 * already, and none behind the first bad one.
 */
export async function takeUpload(
  context: UploadContext,
  chain: ChainId,
  key: KeyObject,
  body: Uint8Array,
  path: string | null,
): Promise<UploadTaken | UploadRefusal> {
  const checked = checkUpload(chain, body);
  if (!checked.ok) return checked;
  const { batches, own } = checked;
  const before = context.ledger.chain(chain);
  const held = await findHeld(context.ledger, chain, before, batches);
  const unknown = batches.filter(({ decoded }) => !held.has(decoded.position.seq));
  const bad = await badSignature(
    unknown.map(({ header }) => header),
    key,
  );
  if (bad !== undefined) {
    return refusal(401, "signature", "The header is not signed by this gateway's key.", batches.indexOf(unknown[bad]!));
  }
  const seqs = rangesOf(batches);
  const newest = batches.at(-1)!.decoded;
  const fresh = batches.filter((batch) => bringsNews(batch, held));
  if (fresh.length === 0) {
    return {
      ok: true,
      seqs,
      batches: batches.length,
      storedRecords: 0,
      storedBytes: 0,
      repeatedBatches: batches.length,
      delayMs: null,
    };
  }
  const activity = activityOf(newest, path, context.clock.wallMs());
  const side = activityEntries(chain, activity, own);
  const written = await context.ledger.append({ chain, batches, side });
  if (!written.ok) return refuseWrite(context, chain, batches, written);
  context.activity.note(chain, activity, own);
  context.keptReceipts.note(chain);
  let storedRecords = 0;
  let storedBytes = 0;
  let stored = 0;
  for (const { decoded, header, payload } of batches) {
    if (!contains(written.value.stored, decoded.position.seq)) continue;
    stored++;
    storedRecords += decoded.position.count;
    storedBytes += header.length + (payload?.length ?? 0);
  }
  const repeatedBatches = batches.length - stored;
  return {
    ok: true,
    seqs,
    batches: batches.length,
    storedRecords,
    storedBytes,
    repeatedBatches,
    delayMs: activity.delayMs,
  };
}

interface CheckedUpload {
  readonly ok: true;
  readonly batches: readonly CheckedBatch[];
  /** Frames of the gateway's own records, by seq. */
  readonly own: ReadonlyMap<number, readonly Uint8Array[]>;
}

/** Everything that the bytes alone can tell: form, size, hash, count, place, order. */
function checkUpload(chain: ChainId, body: Uint8Array): CheckedUpload | UploadRefusal {
  const decoded = decodeBatches(body);
  if (!decoded.ok) return refusal(400, decoded.reason, decoded.detail);
  if (decoded.value.length === 0) return refusal(400, "empty", "The upload has no batch.");
  const batches: CheckedBatch[] = [];
  const own = new Map<number, readonly Uint8Array[]>();
  let previous = -1;
  for (const [item, batch] of decoded.value.entries()) {
    const checked = checkBatch(batch);
    if (!checked.ok) return refusal(400, checked.reason, checked.detail, item);
    const { gateway, position } = checked.value.decoded;
    if (!sameBytes(gateway, chain.gateway) || position.lane !== chain.lane || position.epoch !== chain.epoch) {
      return refusal(400, "chain", "The header names another chain than the URL.", item);
    }
    if (position.seq <= previous) {
      return refusal(400, "order", `Seq ${position.seq} comes after seq ${previous}; send them ascending.`, item);
    }
    const records = walkPayload(batch.payload, position.count);
    if (!records.ok) return refusal(400, records.reason, records.detail, item);
    if (records.value.length > 0) own.set(position.seq, records.value);
    batches.push(checked.value);
    previous = position.seq;
  }
  return { ok: true, batches, own };
}

function walkPayload(payload: Uint8Array | null, count: number): Outcome<readonly Uint8Array[], "records"> {
  return payload === null ? accept([]) : walkRecords(payload, count);
}

/** Seqs of the upload whose very same header is in the ledger, and whether its payload is missing there. */
async function findHeld(
  ledger: Ledger,
  chain: ChainId,
  summary: ChainSummary | undefined,
  batches: readonly CheckedBatch[],
): Promise<ReadonlyMap<number, boolean>> {
  const same = new Map<number, boolean>();
  if (summary === undefined) return same;
  const candidates = new Map<number, Uint8Array>();
  for (const { header, decoded } of batches) {
    if (contains(summary.held, decoded.position.seq)) candidates.set(decoded.position.seq, header);
  }
  for (const [first, last] of runsOf([...candidates.keys()])) {
    for (const stored of await ledger.readHeaders(chain, first, last)) {
      const offered = candidates.get(stored.seq);
      if (offered === undefined || !sameBytes(offered, stored.header)) continue;
      same.set(stored.seq, contains(summary.evicted, stored.seq));
    }
  }
  return same;
}

function bringsNews({ decoded, payload }: CheckedBatch, held: ReadonlyMap<number, boolean>): boolean {
  const lacksPayload = held.get(decoded.position.seq);
  return lacksPayload === undefined || (lacksPayload && payload !== null);
}

async function refuseWrite(
  context: UploadContext,
  chain: ChainId,
  batches: readonly CheckedBatch[],
  written: Extract<WriteOutcome, { ok: false }>,
): Promise<UploadRefusal> {
  const { reason, detail, evidence } = written;
  const item = batches.findIndex(({ header }) => evidence !== undefined && sameBytes(header, evidence.offered));
  const at = item < 0 ? undefined : item;
  // When only this chain has no room, 507 would stop the gateway's other lanes as well.
  if (written.shortage?.cause === "chain") return refusal(422, "chain-full", detail);
  if (reason === "full") return refusal(507, "full", detail);
  if (reason !== "fork" && reason !== "link") return refusal(400, reason, detail, at);
  if (item >= 0) await keepEvidence(context, chain, batches, reason, detail, evidence!, batches[item]!);
  return refusal(409, reason, detail, at);
}

async function keepEvidence(
  { ledger, evidence: room, clock, log }: UploadContext,
  chain: ChainId,
  batches: readonly CheckedBatch[],
  kind: "fork" | "link",
  detail: string,
  { chain: storedChain, seq: storedSeq, stored }: ForkEvidence,
  offered: CheckedBatch,
): Promise<void> {
  // The other side is in the ledger, or came in the same upload.
  const known = [...(await ledger.read(storedChain, storedSeq, { last: storedSeq, maxBytes: 1 })), ...batches];
  const storedPayload = known.find((batch) => sameBytes(batch.header, stored))?.payload ?? null;
  const { seq } = offered.decoded.position;
  const isNew = await room.keep(
    { kind, chain, seq, detail, stored: { header: stored, payload: storedPayload }, offered },
    clock.wallMs(),
  );
  if (isNew) log.error(kind, { chain: chainTitle(chain), seq, detail });
}

function rangesOf(batches: readonly CheckedBatch[]): Ranges {
  return runsOf(batches.map((batch) => batch.decoded.position.seq));
}

/** Ascending numbers as ranges. */
function runsOf(ascending: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const value of ascending) {
    const tail = runs.at(-1);
    if (tail !== undefined && tail[1] === value - 1) tail[1] = value;
    else runs.push([value, value]);
  }
  return runs;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function refusal(status: UploadRefusal["status"], code: string, message: string, item?: number): UploadRefusal {
  return { ok: false, status, code, message, item };
}
