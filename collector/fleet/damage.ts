import { union, type Range, type Ranges } from "@paddock/base/ranges.ts";
import type { Damage } from "@paddock/store/damage.ts";
import type { Duty } from "@paddock/store/types.ts";
import { chainText } from "../chain-name.ts";
import type { Ledger } from "../ledger.ts";

/** What this collector's own disk did to its ledger, as far as it has come to light. */
export interface LedgerDamage {
  /** Seqs of which header or payload were here and are not any more, by `chainText`. */
  readonly batches: ReadonlyMap<string, Ranges>;
  /** What cannot be laid at one batch's door: lost entries of the log, states, what LevelDB dropped. */
  readonly elsewhere: readonly Damage[];
}

export function ledgerDamage(ledger: Pick<Ledger, "damage" | "duties">): LedgerDamage {
  const seqs = new Map<string, number[]>();
  const elsewhere: Damage[] = [];
  for (const found of ledger.damage()) {
    const { chain, seq, what } = found;
    if (chain === undefined || seq === undefined || (what !== "header" && what !== "payload")) elsewhere.push(found);
    else addTo(seqs, chainText(chain), seq);
  }
  const batches = new Map([...seqs].map(([chain, list]) => [chain, rangesOf(list)]));
  for (const duty of ledger.duties()) {
    if (!isLoss(duty)) continue;
    const chain = chainText(duty.chain);
    batches.set(chain, union(batches.get(chain) ?? [], duty.seqs));
  }
  return { batches, elsewhere };
}

function isLoss(duty: Duty): boolean {
  return duty.kind === "loss";
}

function addTo(seqs: Map<string, number[]>, chain: string, seq: number): void {
  const list = seqs.get(chain);
  if (list === undefined) seqs.set(chain, [seq]);
  else list.push(seq);
}

function rangesOf(seqs: readonly number[]): Ranges {
  return union(
    seqs.map((seq): Range => [seq, seq]),
    [],
  );
}
