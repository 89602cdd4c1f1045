import { countsOf, ratesBetween, type Counts } from "./counts.ts";
import { panelOf, plainOf } from "./panel.ts";
import type { Screen } from "./screen.ts";
import type { StatusAt } from "./status-feed.ts";

/** Rates are over this much of the past. */
const RATE_MS = 1000;
const REDRAW_MS = 200;

/** Turns each status into what is on the screen. */
export class LiveView {
  readonly #screen: Screen;
  readonly #totalS: number;
  #past: Counts[] = [];
  #shownAtMs = Number.NEGATIVE_INFINITY;
  waitedMost = 0;

  constructor(screen: Screen, totalS: number) {
    this.#screen = screen;
    this.#totalS = totalS;
  }

  show({ status, atMs }: StatusAt, elapsedS: number, cut: string | undefined, { now = false } = {}): void {
    const counts = countsOf(status, atMs);
    this.#past = [...this.#past.filter((past) => atMs - past.atMs <= RATE_MS), counts];
    this.waitedMost = Math.max(this.waitedMost, status.buffer.pendingRecords);
    if (!now && atMs - this.#shownAtMs < REDRAW_MS) return;
    this.#shownAtMs = atMs;
    const rates = ratesBetween(this.#past[0]!, counts);
    const scene = { elapsedS, totalS: this.#totalS, status, counts, rates, waitedMost: this.waitedMost, cut };
    this.#screen.show(panelOf(scene), plainOf(scene), atMs);
  }
}
