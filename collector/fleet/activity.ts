import type { Ranges } from "@paddock/base/ranges.ts";
import type { ChainId, SideEntry } from "@paddock/store/types.ts";
import { CLOCK_UNSET, type BatchHeader, type ClockQuality } from "@paddock/wire/batch-header.ts";
import { decodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";
import { chainText } from "../chain-name.ts";
import type { Ledger } from "../ledger.ts";

/** What was last seen of a chain, beyond what the ledger counts by itself. */
export interface ChainActivity {
  /** Unix ms of the last upload that brought something new. */
  readonly received: number;
  /** The path that brought it (`paddock-path`), or null when the gateway did not say. */
  readonly path: string | null;
  readonly clock: ClockQuality;
  /** From the newest batch of that upload, opened, to its receipt; null while the gateway's clock is unset. */
  readonly delayMs: number | null;
}

/** A record that a gateway wrote about itself, and where it stands. */
export interface OwnRecord {
  readonly seq: number;
  readonly record: GatewayRecord;
}

const ACTIVITY_PREFIX = "activity/";
const OWN_PREFIX = "own/";
/** Batches with gateway records that are remembered per chain, the newest ones; the ledger has them all. */
const OWN_BATCHES_MAX = 1024;
/** Of a batch's own records, what is indexed: hundreds of ordinary ones, and a bound for a gateway gone wrong. */
const OWN_BYTES_PER_BATCH = 8192;

/**
 * Activity of every chain and the gateways' own records (loss, clock step, epoch change). Both ride as side entries in
 * the write of the batches they describe, so that they cost no sync and never disagree with the ledger.
 */
export class ActivityBook {
  readonly #activity = new Map<string, ChainActivity>();
  readonly #own = new Map<string, Map<number, readonly GatewayRecord[]>>();

  static async open(ledger: Ledger): Promise<ActivityBook> {
    const book = new ActivityBook();
    for (const [key, value] of await ledger.side(ACTIVITY_PREFIX)) {
      book.#activity.set(key.slice(ACTIVITY_PREFIX.length), JSON.parse(textOf(value)) as ChainActivity);
    }
    for (const [key, value] of await ledger.side(OWN_PREFIX)) {
      const split = key.lastIndexOf("/");
      book.#remember(key.slice(OWN_PREFIX.length, split), Number(key.slice(split + 1)), decodeOwn(value));
    }
    return book;
  }

  of(chain: ChainId): ChainActivity | undefined {
    return this.#activity.get(chainText(chain));
  }

  /** In ascending seq. */
  ownRecords(chain: ChainId): OwnRecord[] {
    const bySeq = [...(this.#own.get(chainText(chain)) ?? [])].toSorted(([left], [right]) => left - right);
    return bySeq.flatMap(([seq, records]) => records.map((record) => ({ seq, record })));
  }

  /** Call when the write that carried the side entries is durable. */
  note(chain: ChainId, activity: ChainActivity, own: ReadonlyMap<number, readonly Uint8Array[]>): void {
    const key = chainText(chain);
    this.#activity.set(key, activity);
    for (const [seq, frames] of own) this.#remember(key, seq, indexed(frames).flatMap(decodeFrame));
  }

  #remember(key: string, seq: number, records: readonly GatewayRecord[]): void {
    const bySeq = this.#own.get(key) ?? new Map<number, readonly GatewayRecord[]>();
    this.#own.set(key, bySeq);
    bySeq.set(seq, records);
    if (bySeq.size > OWN_BATCHES_MAX) bySeq.delete(bySeq.keys().next().value!);
  }
}

/** The activity that an upload amounts to; `newest` is its highest batch. */
export function activityOf(newest: BatchHeader, path: string | null, nowMs: number): ChainActivity {
  const { clock, wall } = newest.position;
  return { received: nowMs, path, clock, delayMs: clock === CLOCK_UNSET ? null : nowMs - wall };
}

/** The side entries that make activity and own records durable together with their batches. */
export function activityEntries(
  chain: ChainId,
  activity: ChainActivity,
  own: ReadonlyMap<number, readonly Uint8Array[]>,
): SideEntry[] {
  const key = chainText(chain);
  const entries: SideEntry[] = [{ key: ACTIVITY_PREFIX + key, value: Buffer.from(JSON.stringify(activity)) }];
  for (const [seq, frames] of own) {
    // Digits that sort: start-up reads them in order and keeps the newest.
    const digits = String(seq).padStart(16, "0");
    entries.push({ key: `${OWN_PREFIX}${key}/${digits}`, value: encodeOwn(indexed(frames)) });
  }
  return entries;
}

/** Seqs that loss records of this chain's lane name for `epoch`, with the reason each gives. */
export function lossesOf(records: readonly OwnRecord[], epoch: number): { reason: string; ranges: Ranges }[] {
  return records.flatMap(({ record }) =>
    record.kind === "loss" && record.epoch === epoch ? [{ reason: record.reason, ranges: record.ranges }] : [],
  );
}

function indexed(frames: readonly Uint8Array[]): readonly Uint8Array[] {
  let bytes = 0;
  return frames.filter((frame) => (bytes += frame.length) <= OWN_BYTES_PER_BATCH);
}

/** Frames of one batch, each behind its length. */
function encodeOwn(frames: readonly Uint8Array[]): Buffer {
  const parts = frames.flatMap((frame) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    return [length, frame];
  });
  return Buffer.concat(parts);
}

function decodeOwn(value: Uint8Array): GatewayRecord[] {
  const bytes = Buffer.from(value);
  const records: GatewayRecord[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at);
    records.push(...decodeFrame(bytes.subarray(at + 4, end)));
    at = end;
  }
  return records;
}

/** A record of a kind that this version does not know is kept in the ledger and says nothing here. */
function decodeFrame(frame: Uint8Array): GatewayRecord[] {
  const record = decodeGatewayRecord(frame);
  return record.ok ? [record.value] : [];
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString("utf8");
}
