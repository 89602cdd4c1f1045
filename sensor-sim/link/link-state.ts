import { seededRandom } from "@paddock/base/random.ts";
import { CLEAN, LinkDirection, type Impairment } from "./impairment.ts";

export type Direction = "to-target" | "from-target";
export const DIRECTIONS: readonly Direction[] = ["to-target", "from-target"];

/**
 * How a link is cut. `black-hole`: nothing arrives and nobody is told; streams stall and go on when it heals.
 * `reset`: streams are torn down, and new ones too.
 */
export type CutMode = "black-hole" | "reset";

/** The condition of a link, shared by the relays that carry its traffic. */
export class LinkState {
  readonly #directions: Readonly<Record<Direction, LinkDirection>>;
  readonly #cut = new Set<Direction>();
  readonly #listeners = new Set<() => void>();
  #resets = false;

  constructor(seed: number, impairment: Partial<Impairment> = {}) {
    const full = { ...CLEAN, ...impairment };
    this.#directions = {
      "to-target": new LinkDirection(full, seededRandom(seed)),
      "from-target": new LinkDirection(full, seededRandom((seed ^ 0x9e3779b9) >>> 0)),
    };
  }

  direction(direction: Direction): LinkDirection {
    return this.#directions[direction];
  }

  isCut(direction: Direction): boolean {
    return this.#cut.has(direction);
  }

  /** A stream needs both directions: without acknowledgements its sender stalls. */
  get streamsStall(): boolean {
    return this.#cut.size > 0 && !this.#resets;
  }

  get resetsStreams(): boolean {
    return this.#resets;
  }

  /** Changes the given properties; the others stay as they are. */
  change(impairment: Partial<Impairment>, directions: readonly Direction[] = DIRECTIONS): void {
    for (const direction of directions) {
      const current = this.#directions[direction];
      current.change({ ...current.impairment, ...impairment });
    }
  }

  cut(mode: CutMode, directions: readonly Direction[] = DIRECTIONS): void {
    for (const direction of directions) this.#cut.add(direction);
    this.#resets = mode === "reset";
    this.#tell();
  }

  heal(): void {
    this.#cut.clear();
    this.#resets = false;
    this.#tell();
  }

  /** Calls back whenever the link is cut or healed. */
  onCutOrHeal(listener: () => void): void {
    this.#listeners.add(listener);
  }

  forget(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
