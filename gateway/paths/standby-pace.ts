import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Forwarder } from "@paddock/uplink/forward/forwarder.ts";
import { watchPaces } from "@paddock/uplink/paths/watch-pace.ts";
import type { PathWatch } from "./path-watch.ts";

export interface StandbyPaceOptions {
  readonly forwarder: Pick<Forwarder, "status">;
  readonly watch: Pick<PathWatch, "status" | "setPaces">;
  readonly clock: Clock;
}

/** What time alone changes, the end of a penalty, is noticed after this at the latest. */
const CONSIDER_AGAIN_MS = 5000;

/** Keeps the watchers of metered paths slow while they are not needed. Told whenever something happened to a path. */
export class StandbyPace {
  readonly #options: StandbyPaceOptions;
  readonly #metered: boolean;
  #timer: Timer | undefined;
  #soon = false;
  #stopped = false;

  constructor(options: StandbyPaceOptions) {
    this.#options = options;
    const { paths } = options.forwarder.status();
    this.#metered = paths.some(({ name, metered }) => metered !== undefined && options.watch.status(name) !== null);
    this.consider();
  }

  /** Decides anew, after what is under way: one failure is several reports. */
  consider(): void {
    if (this.#stopped || this.#soon || !this.#metered) return;
    this.#soon = true;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(0, () => this.#decide());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #decide(): void {
    const { forwarder, watch, clock } = this.#options;
    this.#soon = false;
    const paths = forwarder.status().paths.map(({ name, role, standing, liveness, metered }) => ({
      name,
      role,
      standing,
      liveness,
      metered: metered !== undefined,
      watched: watch.status(name) !== null,
    }));
    watch.setPaces(watchPaces(paths));
    this.#timer = clock.after(CONSIDER_AGAIN_MS, () => this.#decide());
  }
}
