import type { ChainId } from "./types.ts";

/** A place that does not hold what was written there. */
export interface Damage {
  /** Undefined where the place does not say whose it is. */
  readonly chain: ChainId | undefined;
  /** Of the batch, where one is named. */
  readonly seq?: number;
  /** In the arrival log, where it was found there, and how many records it is about. */
  readonly offset?: number;
  readonly count?: number;
  readonly what:
    /** A header is missing, does not decode, is not the one of its place, or is not what its follower names. */
    | "header"
    /** A payload is missing, though it was not evicted, or does not hash to what its header says. */
    | "payload"
    /** The arrival log has no entry for these offsets. */
    | "log"
    /** What the store knows of a chain does not decode. */
    | "state"
    /** The end of a chain or of the log is gone: a witness outside the database knew of more. */
    | "tail"
    /** LevelDB says that it dropped something. */
    | "database";
  /** A sentence for a person. */
  readonly detail: string;
}

/** Places that are remembered so that each is told once; what comes after is only counted. */
const PLACES_REMEMBERED = 10_000;

/** Tells of every damaged place once. */
export class DamageLog {
  readonly #places = new Map<string, Damage>();
  readonly #onDamage: ((found: Damage) => void) | undefined;

  constructor(onDamage: ((found: Damage) => void) | undefined) {
    this.#onDamage = onDamage;
  }

  tell(found: Damage): void {
    const { chain, seq, offset, what, detail } = found;
    const whose =
      chain === undefined ? detail : `${Buffer.from(chain.gateway).toString("hex")}/${chain.lane}/${chain.epoch}`;
    // The same batch is read by its seq and by its place in the log.
    const place = `${what} ${whose} ${seq ?? offset ?? ""}`;
    if (this.#places.has(place) || this.#places.size >= PLACES_REMEMBERED) return;
    this.#places.set(place, found);
    this.#onDamage?.(found);
  }

  list(): readonly Damage[] {
    return [...this.#places.values()];
  }
}
