import type { Damage } from "@paddock/store/damage.ts";
import type { Ledger } from "../ledger.ts";
import { logName } from "../log/log-place.ts";
import type { ScrubProgress } from "../scrub.ts";
import { ledgerDamage } from "./damage.ts";

/** The ledger itself, whoever's batches are in it. */
export interface LedgerReport {
  /** The log's name, 32 hex digits, and the offset that the next record will get. */
  readonly log: string;
  readonly end: number;
  /** Records of the log that its own entries lost: whose they were is not known. */
  readonly lostRecords: number;
  /** Damage that is no gateway's batch, the first of it. */
  readonly damage: readonly {
    readonly what: Damage["what"];
    /** In the log, and how many records from there, where it is of the log. */
    readonly offset: number | null;
    readonly count: number | null;
    readonly detail: string;
  }[];
  readonly damagedPlaces: number;
  readonly scrub: ScrubProgress;
}

const LISTED_MAX = 100;

export function ledgerReport(
  ledger: Pick<Ledger, "damage" | "duties" | "logEnd" | "logIncarnation">,
  scrub: ScrubProgress,
): LedgerReport {
  const { elsewhere } = ledgerDamage(ledger);
  const ofLog = elsewhere.filter(({ what }) => what === "log" || what === "tail");
  return {
    log: logName(ledger),
    end: ledger.logEnd(),
    lostRecords: ofLog.reduce((total, { count = 0 }) => total + count, 0),
    damage: elsewhere
      .slice(0, LISTED_MAX)
      .map(({ what, offset = null, count = null, detail }) => ({ what, offset, count, detail })),
    damagedPlaces: elsewhere.length,
    scrub,
  };
}
