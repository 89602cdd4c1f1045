import type { KeyObject } from "node:crypto";
import { PaddockError } from "@paddock/base/errors.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { ChainBreak } from "@paddock/store/verify.ts";
import { LANES, laneName, laneOf, type LaneName } from "@paddock/wire/lanes.ts";

/** What verifying one chain found. */
export interface ChainReport {
  readonly lane: LaneName;
  readonly epoch: number;
  /** Batches and records that were looked at. */
  readonly batches: number;
  readonly records: number;
  readonly held: Ranges;
  /** SHA-256 of the newest header, hex; null for an empty chain. */
  readonly headHash: string | null;
  /** Seqs whose payload was given up; the headers verify, and loss records say why. */
  readonly evicted: Ranges;
  /** Seqs that a receipt named and that were deleted since. */
  readonly trimmed: Ranges;
  /** The first breaks; `broken` counts them all. */
  readonly breaks: readonly ChainBreak[];
  readonly broken: number;
}

export interface ChainSelection {
  /** A lane's name; all lanes when absent. */
  readonly lane?: string | undefined;
  /** First and last seq; all that is held when absent. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/**
 * Verifies hashes, links and signatures of what is stored, batch by batch from the disk. Throws USAGE for an unknown
 * lane.
 */
export async function verifyChains(
  store: ChainStore,
  publicKey: KeyObject,
  { lane: name, from, to }: ChainSelection,
): Promise<ChainReport[]> {
  const lane = name === undefined ? undefined : laneOf(name);
  if (name !== undefined && lane === undefined) {
    throw new PaddockError("USAGE", `There is no lane "${name}"; lanes are ${LANES.join(", ")}.`);
  }
  const reports: ChainReport[] = [];
  for (const { id, head } of store.chains()) {
    if (lane !== undefined && id.lane !== lane) continue;
    const { batches, records, breaks, broken } = await store.verify(id, {
      publicKey,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    });
    const { held = [], evicted = [], trimmed = [] } = store.chain(id) ?? {};
    const headHash = head === undefined ? null : Buffer.from(head.hash).toString("hex");
    reports.push({
      lane: laneName(id.lane),
      epoch: id.epoch,
      batches,
      records,
      held,
      headHash,
      evicted,
      trimmed,
      breaks,
      broken,
    });
  }
  return reports;
}
