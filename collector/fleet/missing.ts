import { countOf, intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import type { ChainSummary } from "@paddock/store/types.ts";
import type { LaneName } from "@paddock/wire/lanes.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { hexOf } from "../chain-name.ts";
import type { Told } from "./told.ts";

/** Why seqs of a chain have no payload here. */
export type GapCause =
  /** Below the head, and no header came: the gateway may still send it. */
  | "never-received"
  /** The header is here; the gateway gave the payload up and says why in a loss record. */
  | "evicted"
  /** The header is here without payload, and no loss record that explains it has arrived. */
  | "unexplained"
  /** It was here, and this collector's disk changed or lost it. */
  | "damaged"
  /** A later epoch says that this one went on, or how it ended. */
  | "epoch-change";

export interface Gap {
  readonly gateway: string;
  readonly lane: LaneName;
  readonly epoch: number;
  readonly cause: GapCause;
  /** The reason in the gateway's own record, or null. */
  readonly reason: string | null;
  readonly ranges: Ranges;
  readonly batches: number;
}

/** Seqs between 0 and the head of which no header was ever stored. */
export function neverReceived(summary: ChainSummary): Ranges {
  if (summary.head === undefined) return [];
  return subtract([[0, summary.head.seq]], union(summary.held, summary.trimmed));
}

/**
 * Every gap of one lane of one gateway, over its epochs. `epochs` are the lane's chains in ascending epoch with what the
 * gateway told in each; a loss is told in whatever epoch was current. `damaged` are seqs that this collector's disk took:
 * nobody else is to blame for them, whatever the summary says.
 */
export function gapsOfLane(
  epochs: readonly { readonly summary: ChainSummary; readonly told: Told; readonly damaged?: Ranges }[],
): Gap[] {
  const told = epochs.map((epoch) => epoch.told);
  return epochs.flatMap(({ summary, damaged = [] }) => {
    const { epoch } = summary.id;
    const place = { gateway: hexOf(summary.id.gateway), lane: laneName(summary.id.lane), epoch };
    const gap = (cause: GapCause, reason: string | null, ranges: Ranges): Gap[] =>
      ranges.length === 0 ? [] : [{ ...place, cause, reason, ranges, batches: countOf(ranges) }];
    const gaps = gap("never-received", null, neverReceived(summary));
    gaps.push(...gap("damaged", null, damaged));
    let unexplained = subtract(summary.evicted, damaged);
    for (const [reason, ranges] of reasonsOf(told, epoch)) {
      gaps.push(...gap("evicted", reason, intersect(unexplained, ranges)));
      unexplained = subtract(unexplained, ranges);
    }
    gaps.push(...gap("unexplained", null, unexplained));
    gaps.push(...lostTail(summary, told).flatMap(({ reason, ranges }) => gap("epoch-change", reason, ranges)));
    return gaps;
  });
}

/** Seqs that losses of `epoch` name, by the reason that each gives. */
function reasonsOf(told: readonly Told[], epoch: number): Map<string, Ranges> {
  const byReason = new Map<string, Ranges>();
  for (const loss of told.flatMap(({ losses }) => losses)) {
    if (loss.epoch === epoch) byReason.set(loss.reason, union(byReason.get(loss.reason) ?? [], loss.ranges));
  }
  return byReason;
}

/** What a later epoch knows of the end of this one and what never arrived here. */
function lostTail(summary: ChainSummary, told: readonly Told[]): { reason: string; ranges: Ranges }[] {
  const last = summary.head?.seq ?? -1;
  return told
    .flatMap(({ changes }) => changes)
    .flatMap(({ reason, previousEpoch, lastSeq }) =>
      previousEpoch === summary.id.epoch && lastSeq !== null && lastSeq > last
        ? [{ reason, ranges: [[last + 1, lastSeq]] as Ranges }]
        : [],
    );
}
