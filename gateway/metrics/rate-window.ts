/** How fast some counters grew over the last ten seconds. Pure bookkeeping: the caller samples once a second. */
export class RateWindow<Name extends string> {
  readonly #samples: { readonly atMs: number; readonly values: Readonly<Record<Name, number>> }[] = [];
  readonly #windowMs: number;

  constructor(windowMs = 10_000) {
    this.#windowMs = windowMs;
  }

  sample(atMs: number, values: Readonly<Record<Name, number>>): void {
    this.#samples.push({ atMs, values });
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= atMs - this.#windowMs) this.#samples.shift();
  }

  /** Growth per second; 0 until there are two samples. */
  perSecond(name: Name): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return ((last.values[name] - first.values[name]) * 1000) / (last.atMs - first.atMs);
  }
}
