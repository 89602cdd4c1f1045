import * as v from "valibot";
import { countOf, isNormal, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { DIRECTIVE_OUTCOMES, type DirectiveOutcome, type GatewayRecord } from "@paddock/wire/gateway-record.ts";

/** Ranges of one chain's losses that are remembered, the newest ones; the ledger has every record. */
const RANGES_MAX = 4096;
/** Epoch changes of one chain that are remembered: an ordinary chain begins with one. */
const CHANGES_MAX = 64;

/** Directives of which an answer is remembered. */
const DIRECTIVES_MAX = 16;

const WHOLE = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const ToldSchema = v.object({
  /** Loss records that told something new, and the records that they give as lost. */
  lossRecords: WHOLE,
  lostRecords: WHOLE,
  losses: v.array(
    v.object({
      epoch: WHOLE,
      reason: v.string(),
      ranges: v.pipe(
        v.array(v.pipe(v.tuple([WHOLE, WHOLE]))),
        v.check((ranges) => isNormal(ranges), "are no ranges"),
      ),
    }),
  ),
  /** What it said last of each directive, the newest last; older versions of this entry have none. */
  directives: v.optional(
    v.array(
      v.object({ id: v.string(), outcome: v.picklist(DIRECTIVE_OUTCOMES), subject: v.string(), reason: v.string() }),
    ),
    [],
  ),
  changes: v.array(v.object({ reason: v.string(), previousEpoch: WHOLE, lastSeq: v.nullable(WHOLE) })),
});

/** All that a gateway's own records in one chain say, put together: bounded, however many there are. */
export interface Told {
  readonly lossRecords: number;
  readonly lostRecords: number;
  readonly losses: readonly { readonly epoch: number; readonly reason: string; readonly ranges: Ranges }[];
  readonly changes: readonly {
    readonly reason: string;
    readonly previousEpoch: number;
    readonly lastSeq: number | null;
  }[];
  /** What it said last of each directive, the newest last. */
  readonly directives: readonly DirectiveTold[];
}

export interface DirectiveTold {
  /** Of the directive, hex. */
  readonly id: string;
  readonly outcome: DirectiveOutcome;
  readonly subject: string;
  readonly reason: string;
}

export const NOTHING_TOLD: Told = { lossRecords: 0, lostRecords: 0, losses: [], changes: [], directives: [] };

/** Adds records to what was told. Telling the same again changes nothing: a gateway restates a loss until it is heard. */
export function tell(told: Told, records: readonly GatewayRecord[]): Told {
  let after = told;
  for (const record of records) {
    if (record.kind === "loss") after = tellLoss(after, record);
    else if (record.kind === "epoch-change") after = tellChange(after, record);
    else if (record.kind === "directive") after = tellDirective(after, record);
  }
  return after;
}

function tellLoss(told: Told, { epoch, reason, ranges, records }: GatewayRecord & { kind: "loss" }): Told {
  const ofEpoch = told.losses.filter((loss) => loss.epoch === epoch);
  const known = ofEpoch.find((loss) => loss.reason === reason)?.ranges ?? [];
  // One batch is lost once: what is told by two reasons counts by the one that came first.
  const fresh = ofEpoch.reduce((left, loss) => subtract(left, loss.ranges), ranges);
  if (fresh.length === 0) return told;
  const losses = [
    ...told.losses.filter((loss) => loss.epoch !== epoch || loss.reason !== reason),
    { epoch, reason, ranges: union(known, fresh) },
  ];
  return {
    ...told,
    lossRecords: told.lossRecords + 1,
    // Of a record that tells part of it again, the share that is new.
    lostRecords: told.lostRecords + Math.round((records * countOf(fresh)) / countOf(ranges)),
    losses: bounded(losses),
  };
}

/** The newest ranges of the losses told last. */
function bounded(losses: Told["losses"]): Told["losses"] {
  let left = RANGES_MAX;
  const kept: Told["losses"][number][] = [];
  for (const loss of losses.toReversed()) {
    if (left === 0) break;
    const ranges = loss.ranges.slice(-left);
    kept.unshift({ ...loss, ranges });
    left -= ranges.length;
  }
  return kept;
}

function tellChange(told: Told, { reason, previousEpoch, lastSeq }: GatewayRecord & { kind: "epoch-change" }): Told {
  const known = told.changes.some((change) => change.previousEpoch === previousEpoch && change.lastSeq === lastSeq);
  if (known) return told;
  return { ...told, changes: [...told.changes, { reason, previousEpoch, lastSeq }].slice(-CHANGES_MAX) };
}

/** Batches may come in any order: that it tries takes nothing back that it said of the same. */
function tellDirective(told: Told, { id, outcome, subject, reason }: GatewayRecord & { kind: "directive" }): Told {
  const name = Buffer.from(id).toString("hex");
  const known = told.directives.find((each) => each.id === name);
  if (known !== undefined && (outcome === "trying" || known.outcome === outcome)) return told;
  const others = told.directives.filter((each) => each !== known);
  return { ...told, directives: [...others, { id: name, outcome, subject, reason }].slice(-DIRECTIVES_MAX) };
}

export function encodeTold(told: Told): Buffer {
  return Buffer.from(JSON.stringify(told));
}

/** Throws what is wrong with it. */
export function decodeTold(value: Uint8Array): Told {
  return v.parse(ToldSchema, JSON.parse(Buffer.from(value).toString("utf8")));
}
