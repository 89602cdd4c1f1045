import { messageOf } from "@paddock/base/errors.ts";
import { intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import { chainNumber } from "./forward-state.ts";
import type { BatchSource, ChainName, VerifiedReceipt } from "./ports.ts";

/** Called when the receipt is durable, or with the reason why it could not be made so. */
export type Settled = (failure: string | undefined) => void;

interface Waiting {
  readonly asked: ChainName;
  readonly verified: VerifiedReceipt;
  readonly confirmed: Ranges;
  readonly settled: Settled[];
}

/**
 * Makes receipts durable, one at a time for each chain. What arrives during a write is written as one when the newest
 * receipt says all that the older ones say, which is the rule: a fast link then costs no more writes than a slow one.
 */
export class ReceiptQueue {
  readonly #source: BatchSource;
  readonly #waiting = new Map<number, Waiting[]>();
  #busy = 0;
  #idle: (() => void)[] = [];

  constructor(source: BatchSource) {
    this.#source = source;
  }

  /**
   * `asked` is the chain that the receipt was asked for, and `confirmed` the seqs of the upload that it answers; none
   * when it was only asked for.
   */
  add(asked: ChainName, verified: VerifiedReceipt, confirmed: Ranges, settled: Settled): void {
    const key = chainNumber(asked);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      this.#waiting.set(key, [{ asked, verified, confirmed, settled: [settled] }]);
      void this.#drain(key);
      return;
    }
    const last = waiting.at(-1);
    if (last !== undefined && saysAllOf(verified.receipt, last.verified.receipt)) {
      const all = union(last.confirmed, confirmed);
      waiting[waiting.length - 1] = { asked, verified, confirmed: all, settled: [...last.settled, settled] };
    } else waiting.push({ asked, verified, confirmed, settled: [settled] });
  }

  /** Resolves when nothing is left to write. */
  async idle(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #drain(key: number): Promise<void> {
    this.#busy++;
    for (let next = this.#take(key); next !== undefined; next = this.#take(key)) {
      const { receipt, encoded } = next.verified;
      let failure: string | undefined;
      try {
        await this.#source.acknowledge(next.asked, receipt, encoded, next.confirmed);
      } catch (error) {
        failure = messageOf(error);
      }
      for (const settled of next.settled) settled(failure);
    }
    this.#waiting.delete(key);
    this.#busy--;
    if (this.#busy === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #take(key: number): Waiting | undefined {
    return this.#waiting.get(key)?.shift();
  }
}

/** Whether all that `older` calls held, and held whole, `newer` calls so, too. */
function saysAllOf(newer: Receipt, older: Receipt): boolean {
  return (
    subtract(older.held, newer.held).length === 0 &&
    subtract(newer.bare, older.bare).every(([first, last]) => intersect([[first, last]], older.held).length === 0)
  );
}
