/**
 * What gateways said they gave up during the run. An eviction shows twice: as a line of the evicted batch and as the
 * chained loss record about it; so of the two sums, by chain, the larger one counts.
 */
export class Evictions {
  readonly #byChain = new Map<string, { gateway: string; lane: string; batches: number; losses: number }>();

  evictedBatch(
    gateway: string | undefined,
    lane: string | undefined,
    epoch: number | undefined,
    records: number,
  ): void {
    this.#chain(gateway, lane, epoch).batches += records;
  }

  lossRecord(gateway: string | undefined, lane: string | undefined, epoch: number | undefined, records: number): void {
    this.#chain(gateway, lane, epoch).losses += records;
  }

  get total(): number {
    let total = 0;
    for (const { batches, losses } of this.#byChain.values()) total += Math.max(batches, losses);
    return total;
  }

  /**
   * Splits missing frames, by lane, into those that evictions of `gateways`, the ones our frames went to, account for
   * and those that are lost. An evicted batch does not say which frames it held, so this compares numbers: evictions of
   * other sensors' frames in the same lane of the same gateway may hide a loss.
   */
  account(
    missing: Readonly<Record<string, number>>,
    gateways: ReadonlySet<string>,
  ): { lost: number; accounted: number } {
    let lost = 0;
    let accounted = 0;
    for (const [lane, count] of Object.entries(missing)) {
      let evicted = 0;
      for (const chain of this.#byChain.values()) {
        if (chain.lane === lane && gateways.has(chain.gateway)) evicted += Math.max(chain.batches, chain.losses);
      }
      accounted += Math.min(count, evicted);
      lost += Math.max(0, count - evicted);
    }
    return { lost, accounted };
  }

  #chain(gateway = "", lane = "", epoch = 0) {
    const key = `${gateway}/${lane}/${epoch}`;
    let chain = this.#byChain.get(key);
    if (chain === undefined) this.#byChain.set(key, (chain = { gateway, lane, batches: 0, losses: 0 }));
    return chain;
  }
}
