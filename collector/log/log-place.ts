import { createHash } from "node:crypto";
import { hexOf } from "../chain-name.ts";
import type { Ledger } from "../ledger.ts";

type PlaceLedger = Pick<Ledger, "logIncarnation" | "logEnd" | "logOffsetAt" | "readLog">;

/** How somebody who read a log up to an offset knows it again. */
export interface LogMark {
  /** The log's name, hex: made with it, and the same in every backup of it. */
  readonly log: string;
  /** Hex over the batch before the offset and when it arrived; null where there is none or it cannot be read. */
  readonly behind: string | null;
}

type MarkedItem =
  | { readonly lost: string }
  | { readonly lost?: undefined; readonly offset: number; readonly received: number; readonly header: Uint8Array };

/** A place in the log with what was known when it was noted. */
export interface LogPlace extends Partial<LogMark> {
  readonly offset: number;
  /** Unix ms at which it was noted. */
  readonly updated: number;
}

/** Why a place is not one of this log any more, and where whoever keeps it goes on. */
export interface LogDrift {
  readonly reason:
    /** The log was made anew, or is another collector's. */
    | "other-log"
    /** It ends before the place: the ledger was put back in time. */
    | "out-of-range"
    /** It was put back in time, and has grown past the place since: other records stand there now. */
    | "put-back";
  readonly detail: string;
  /** The first offset of which nothing was read: none behind it is passed over. */
  readonly goOnAt: number;
}

/** Names the log: 32 hex digits. */
export function logName({ logIncarnation }: Pick<Ledger, "logIncarnation">): string {
  return logIncarnation === undefined ? "" : hexOf(logIncarnation);
}

export async function markAt(ledger: PlaceLedger, offset: number): Promise<LogMark> {
  return { log: logName(ledger), behind: await markBehind(ledger, offset) };
}

async function markBehind(ledger: PlaceLedger, offset: number): Promise<string | null> {
  if (offset === 0) return null;
  const read = await ledger.readLog(offset - 1, { maxBatches: 1, maxBytes: 1 });
  const item = read.ok ? read.value[0] : undefined;
  return item === undefined ? null : markOf(item);
}

/** What is remembered of the item before a place; null of what damage took: nobody can say that it is something else. */
export function markOf(item: MarkedItem): string | null {
  if (item.lost !== undefined) return null;
  const hash = createHash("sha256").update(`${item.offset} ${item.received} `).update(item.header);
  return hash.digest("hex").slice(0, 32);
}

/**
 * What became of a place, or undefined when the log is the one in which it was noted. What the log that was put back
 * still had, its reader had read; all else came after the place was noted, by the wall clock of this machine.
 */
export async function driftOf(ledger: PlaceLedger, place: LogPlace): Promise<LogDrift | undefined> {
  const { offset, updated, log, behind } = place;
  const name = logName(ledger);
  if (log !== undefined && log !== name) {
    const detail = `offset ${offset} of log ${log}, and this is log ${name}: the ledger was made anew, or is another collector's. Its records begin at offset 0.`;
    return { reason: "other-log", detail, goOnAt: 0 };
  }
  const end = ledger.logEnd();
  const isBeyond = offset > end;
  if (!isBeyond) {
    const now = behind === undefined || behind === null ? null : await markBehind(ledger, offset);
    if (now === null || now === behind) return undefined;
  }
  const goOnAt = await ledger.logOffsetAt(updated + 1);
  const what = isBeyond
    ? `offset ${offset}, beyond the end of the log, ${end}: the ledger was put back in time`
    : `offset ${offset}, and other records stand before it now: the ledger was put back in time and has grown since`;
  const detail = `${what}. What arrived since begins at offset ${goOnAt}.`;
  return { reason: isBeyond ? "out-of-range" : "put-back", detail, goOnAt };
}
