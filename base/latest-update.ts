/**
 * Carries out the newest of several wishes, one at a time: a wish that comes while another is carried out waits, and of
 * those that wait only the last one counts.
 */
export class LatestUpdate<Wish> {
  readonly #carryOut: (wish: Wish, isStale: () => boolean) => Promise<void>;
  #next: { readonly wish: Wish } | undefined;
  #running: Promise<void> | undefined;

  /** `carryOut` must not reject; it may stop early once `isStale`, for what it leaves undone is not wanted any more. */
  constructor(carryOut: (wish: Wish, isStale: () => boolean) => Promise<void>) {
    this.#carryOut = carryOut;
  }

  /** Resolves when this wish, or a newer one, is carried out and none waits. */
  update(wish: Wish): Promise<void> {
    this.#next = { wish };
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    // Never done within `update`, which would then remember a run that has ended.
    await Promise.resolve();
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined;
      await this.#carryOut(next.wish, () => this.#next !== undefined);
    }
    this.#running = undefined;
  }
}
