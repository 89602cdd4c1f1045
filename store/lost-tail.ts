import type { StoreCore } from "./store-core.ts";
import { isLatest, type RecoveryNote } from "./tail-check.ts";
import type { Testimony } from "./witness.ts";

/**
 * Finds what the end of the database lost in silence: the witness knew of batches or log entries behind it. Their seqs
 * may be in other hands, so a lane that seals must begin a new epoch; offsets of the log are not given out again.
 */
export async function compareWithWitness(
  core: StoreCore,
  testimony: Testimony | undefined,
): Promise<readonly RecoveryNote[]> {
  const notes: RecoveryNote[] = [];
  if (testimony === undefined) return notes;
  if (core.arrivalLog && testimony.logEnd > core.logEnd) {
    const [offset, count] = [core.logEnd, testimony.logEnd - core.logEnd];
    const detail = `The last ${count} records of the arrival log, from offset ${offset} on, are gone.`;
    core.damage.tell({ chain: undefined, offset, count, what: "tail", detail });
    core.logEnd = core.workingLogEnd = testimony.logEnd;
  }
  if (core.outOfOrder) return notes;
  for (const { chain, seq } of testimony.heads) {
    const head = core.entry(chain).working.head ?? null;
    const first = head === null ? 0 : head.seq + 1;
    const known = core.duties.epoch(chain)?.seqs.at(-1)?.[1] ?? -1;
    // What a roll-back has told of already is no news.
    if (seq < first || seq <= known) continue;
    const detail = `Batches ${first} to ${seq} of a chain were on disk and are gone.`;
    core.damage.tell({ chain, seq, what: "tail", detail });
    notes.push({ chain, action: "rolled-back", seqs: [[first, seq]] });
    if (!isLatest(core, chain)) continue;
    await core.writeRepair(async (group) => {
      core.duties.add(group, { kind: "epoch", chain, seqs: [[first, seq]], last: head });
    });
  }
  return notes;
}
