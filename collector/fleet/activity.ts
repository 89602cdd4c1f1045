import * as v from "valibot";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { ChainId, SideEntry } from "@paddock/store/types.ts";
import { CLOCK_UNSET, type BatchHeader } from "@paddock/wire/batch-header.ts";
import { decodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";
import { chainText, chainOfText } from "../chain-name.ts";
import type { Ledger } from "../ledger.ts";
import { decodeTold, encodeTold, NOTHING_TOLD, tell, type Told } from "./told.ts";

const ActivitySchema = v.object({
  /** Unix ms of the last upload that brought something new. */
  received: v.number(),
  /** The path that brought it (`paddock-path`), or null when the gateway did not say. */
  path: v.nullable(v.string()),
  clock: v.picklist([0, 1, 2]),
  /** From the newest batch of that upload, opened, to its receipt; null while the gateway's clock is unset. */
  delayMs: v.nullable(v.number()),
});

/** What was last seen of a chain, beyond what the ledger counts by itself. */
export type ChainActivity = Readonly<v.InferOutput<typeof ActivitySchema>>;

const ACTIVITY_PREFIX = "activity/";
/** The own records of one batch, until they are put together with the rest of the chain's. */
const OWN_PREFIX = "own/";
/** What all own records of a chain said, one entry a chain. */
const TOLD_PREFIX = "told/";
/** Batches with own records that lie by themselves in the ledger before they are put together. */
const OWN_BATCHES_MAX = 32;
/** Entries deleted by one write, where an older version left many. */
const OWN_BATCHES_PER_WRITE = 1024;
/** Of a batch's own records, what is noted: hundreds of ordinary ones, and a bound for a gateway gone wrong. */
const OWN_BYTES_PER_BATCH = 8192;

/**
 * Activity of every chain and what the gateways' own records say (loss, epoch change). Both ride as side entries in the
 * write of the batches they describe, so that they cost no sync and never disagree with the ledger. The own records
 * of a chain are put together in one entry in the background, so that starting costs the same after years.
 */
export class ActivityBook {
  readonly #ledger: Pick<Ledger, "append" | "side">;
  readonly #log: Log;
  readonly #activity = new Map<string, ChainActivity>();
  readonly #told = new Map<string, Told>();
  /** Entries of single batches that are in the ledger and in `#told`, by chain. */
  readonly #single = new Map<string, Set<string>>();
  #work: Promise<void> | undefined;
  #closed = false;

  private constructor(ledger: Pick<Ledger, "append" | "side">, log: Log) {
    this.#ledger = ledger;
    this.#log = log;
  }

  static async open(ledger: Pick<Ledger, "append" | "side">, log: Log): Promise<ActivityBook> {
    const book = new ActivityBook(ledger, log);
    for (const [key, value] of await ledger.side(ACTIVITY_PREFIX)) {
      book.#load(key, () => book.#activity.set(key.slice(ACTIVITY_PREFIX.length), decodeActivity(value)));
    }
    for (const [key, value] of await ledger.side(TOLD_PREFIX)) {
      book.#load(key, () => book.#told.set(key.slice(TOLD_PREFIX.length), decodeTold(value)));
    }
    for (const [key, value] of await ledger.side(OWN_PREFIX)) {
      const chain = key.slice(OWN_PREFIX.length, key.lastIndexOf("/"));
      book.#load(key, () => book.#tell(chain, key, decodeOwn(value)));
    }
    book.#putTogether();
    return book;
  }

  of(chain: ChainId): ChainActivity | undefined {
    return this.#activity.get(chainText(chain));
  }

  /** What the gateway's own records in this chain say. */
  told(chain: ChainId): Told {
    return this.#told.get(chainText(chain)) ?? NOTHING_TOLD;
  }

  /** Call when the write that carried the side entries is durable. */
  note(chain: ChainId, activity: ChainActivity, own: ReadonlyMap<number, readonly Uint8Array[]>): void {
    const key = chainText(chain);
    this.#activity.set(key, activity);
    for (const [seq, frames] of own) this.#tell(key, ownKey(key, seq), indexed(frames).flatMap(decodeFrame));
    this.#putTogether();
  }

  /** Resolves when nothing is left to be put together for now. */
  async settled(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.settled();
  }

  /** A damaged entry costs what it said, not the start: the chain is shown without it until it is written again. */
  #load(key: string, read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#log.error("entry-damaged", { key, message: messageOf(error) });
    }
  }

  #tell(chain: string, key: string, records: readonly GatewayRecord[]): void {
    this.#told.set(chain, tell(this.#told.get(chain) ?? NOTHING_TOLD, records));
    const single = this.#single.get(chain) ?? new Set();
    this.#single.set(chain, single.add(key));
  }

  #putTogether(): void {
    if (this.#closed || this.#work !== undefined) return;
    this.#work = this.#replaceFull().finally(() => (this.#work = undefined));
  }

  async #replaceFull(): Promise<void> {
    try {
      while (!this.#closed) {
        const full = [...this.#single].find(([, keys]) => keys.size > OWN_BATCHES_MAX);
        if (full === undefined || !(await this.#replaceSingle(...full))) return;
      }
    } catch (error) {
      // A ledger that takes no write says so elsewhere; the next own record tries again.
      this.#log.warn("own-records-not-put-together", { message: messageOf(error) });
    }
  }

  /** One entry in place of many, in one write. What is in memory was durable before, so nothing is told too early. */
  async #replaceSingle(chain: string, keys: Set<string>): Promise<boolean> {
    const id = chainOfText(chain);
    const replaced = [...keys].slice(0, OWN_BATCHES_PER_WRITE);
    const side: SideEntry[] = replaced.map((key) => ({ key, value: null }));
    side.push({ key: TOLD_PREFIX + chain, value: encodeTold(this.#told.get(chain)!) });
    if (id === undefined || !(await this.#ledger.append({ chain: id, batches: [], side })).ok) return false;
    for (const key of replaced) keys.delete(key);
    return true;
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
  for (const [seq, frames] of own) entries.push({ key: ownKey(key, seq), value: encodeOwn(indexed(frames)) });
  return entries;
}

function ownKey(chain: string, seq: number): string {
  return `${OWN_PREFIX}${chain}/${String(seq).padStart(16, "0")}`;
}

function decodeActivity(value: Uint8Array): ChainActivity {
  return v.parse(ActivitySchema, JSON.parse(Buffer.from(value).toString("utf8")));
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

/** Throws RangeError for an entry that ends early. */
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
