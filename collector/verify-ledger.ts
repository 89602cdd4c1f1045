import type { KeyObject } from "node:crypto";
import type { ChainBreak } from "@paddock/store/verify.ts";
import type { LogLoss } from "@paddock/store/log-reads.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { chainText } from "./chain-name.ts";
import type { Ledger } from "./ledger.ts";

/** What a full check of a ledger found. */
export interface LedgerVerification {
  readonly chains: number;
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  /** Batches whose payload their gateway gave up. */
  readonly evicted: number;
  /** Places where a chain does not hold: how many, and the first of them. */
  readonly broken: number;
  readonly breaks: readonly (ChainBreak & { readonly chain: string })[];
  /** Offsets of the log that cannot be read any more: how many, and the first of them. */
  readonly lostRecords: number;
  readonly lost: readonly Pick<LogLoss, "offset" | "count" | "lost">[];
}

const LISTED_MAX = 1000;
/** Read at once: what a check holds in memory. */
const PAGE = { maxBatches: 64, maxBytes: 1 << 20 };

/**
 * Checks every batch of every chain against itself, its neighbours and its gateway's key, where that is known, and
 * every offset of the log. Reads all there is, a page at a time; changes nothing.
 */
export async function verifyLedger(
  ledger: Pick<Ledger, "chains" | "verify" | "readLog" | "logEnd">,
  keyOf: (chain: ChainId) => KeyObject | undefined,
): Promise<LedgerVerification> {
  const totals = { chains: 0, batches: 0, records: 0, bytes: 0, evicted: 0, broken: 0 };
  const breaks: (ChainBreak & { chain: string })[] = [];
  for (const { id } of ledger.chains()) {
    const publicKey = keyOf(id);
    const found = await ledger.verify(id, publicKey === undefined ? {} : { publicKey });
    totals.chains++;
    for (const name of ["batches", "records", "bytes", "evicted", "broken"] as const) totals[name] += found[name];
    const chain = chainText(id);
    for (const one of found.breaks) if (breaks.length < LISTED_MAX) breaks.push({ chain, ...one });
  }
  return { ...totals, breaks, ...(await verifyLog(ledger)) };
}

async function verifyLog(
  ledger: Pick<Ledger, "readLog" | "logEnd">,
): Promise<Pick<LedgerVerification, "lostRecords" | "lost">> {
  const lost: Pick<LogLoss, "offset" | "count" | "lost">[] = [];
  let lostRecords = 0;
  const end = ledger.logEnd();
  for (let next = 0; next < end;) {
    const read = await ledger.readLog(next, PAGE);
    if (!read.ok || read.value.length === 0) break;
    for (const item of read.value) {
      next = item.offset + item.count;
      if (item.lost === undefined || item.lost === "rolled-back") continue;
      lostRecords += item.count;
      if (lost.length < LISTED_MAX) lost.push({ offset: item.offset, count: item.count, lost: item.lost });
    }
  }
  return { lostRecords, lost };
}

/** Whether anything is wrong. */
export function isDamaged({ broken, lostRecords }: LedgerVerification): boolean {
  return broken > 0 || lostRecords > 0;
}
