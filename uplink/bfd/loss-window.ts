const SECOND_US = 1_000_000;
const WINDOW_SECONDS = 60;
/** Of fewer packets a share says little. */
const DUE_MIN = 10;

interface Second {
  readonly second: number;
  due: number;
  arrived: number;
}

/** How many of the packets that were due in the last minute came. */
export class LossWindow {
  readonly #seconds: Second[] = [];

  /** `count` packets should have come by `nowUs`; need not be whole. */
  due(nowUs: number, count: number): void {
    this.#at(nowUs).due += count;
  }

  arrived(nowUs: number): void {
    this.#at(nowUs).arrived += 1;
  }

  /** Share of the due packets that did not come, 0 to 1; undefined when fewer than ten were due. */
  lostShare(nowUs: number): number | undefined {
    this.#forget(nowUs);
    let due = 0;
    let arrived = 0;
    for (const each of this.#seconds) {
      due += each.due;
      arrived += each.arrived;
    }
    return due < DUE_MIN ? undefined : Math.max(0, 1 - arrived / due);
  }

  /** Begins anew: what a failure swallowed is told by the failure. */
  clear(): void {
    this.#seconds.length = 0;
  }

  #at(nowUs: number): Second {
    const second = Math.floor(nowUs / SECOND_US);
    const newest = this.#seconds.at(-1);
    if (newest?.second === second) return newest;
    this.#forget(nowUs);
    const made: Second = { second, due: 0, arrived: 0 };
    this.#seconds.push(made);
    return made;
  }

  #forget(nowUs: number): void {
    const oldest = Math.floor(nowUs / SECOND_US) - WINDOW_SECONDS;
    while (this.#seconds.length > 0 && this.#seconds[0]!.second <= oldest) this.#seconds.shift();
  }
}
