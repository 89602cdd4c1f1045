import type { Clock, Timer } from "@paddock/base/clock.ts";
import { Heap } from "../plan/heap.ts";

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly deliver: () => void;
}

/** Calls back at given times, with one timer for all of them; at the same time, in the order in which they came. */
export class DeliveryQueue {
  readonly #clock: Clock;
  readonly #heap = new Heap<Due>(
    (left, right) => left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order),
  );
  #order = 0;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get nowMs(): number {
    return this.#clock.monotonicUs() / 1000;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** Delivers at `atMs`; at once, before it returns, when that has come and nothing older waits. */
  at(atMs: number, deliver: () => void): void {
    if (atMs <= this.nowMs && this.#heap.size === 0) {
      deliver();
      return;
    }
    this.#heap.push({ atMs, order: this.#order++, deliver });
    this.#arm();
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    while (this.#heap.pop() !== undefined);
  }

  #arm(): void {
    const next = this.#heap.peek();
    if (next === undefined || next.atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = next.atMs;
    this.#timer = this.#clock.after(Math.max(0, next.atMs - this.nowMs), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    for (let due = this.#heap.peek(); due !== undefined && due.atMs <= this.nowMs; due = this.#heap.peek()) {
      this.#heap.pop();
      due.deliver();
    }
    this.#arm();
  }
}
