import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { CollectorLimits } from "../config.ts";

/** The part of all connections that those may have which have shown no key of a gateway that is approved. */
const UNPROVEN_SHARE = 1 / 4;
/** As many connections as a gateway with every path, its spares and their successors has. Only what is above is taken from it. */
const FEW_OF_ONE = 32;
/** How long a connection whose time is over may go on to give the answers that it owes. */
const GRACE_MS = 2000;

type PlaceLimits = Pick<CollectorLimits, "maxConnections" | "unprovenMs">;

export type EndReason =
  /** It proved nothing in its time. */
  | "unproven"
  /** Its place was given to another one, or there was none for it. */
  | "too-many";

/** How the owner of a connection ends it. */
export interface ConnectionEnds {
  /** Takes nothing new and ends behind the answers that are owed; may take its time. */
  readonly soon: () => void;
  readonly now: () => void;
}

export interface ConnectionPlace {
  /** A gateway that waits for the operator's yes showed its key: it is in no hurry, but others may need its place more. */
  known(): void;
  /** A gateway that is approved showed its key, the first one on this connection: its few places nobody takes any more. */
  proven(gateway: string): void;
  /** Whether an answer may say that the connection goes on; past half of its time an unproven one's may not. */
  goesOn(): boolean;
  /** The connection is closed. Calling it again is harmless. */
  leave(): void;
}

/**
 * Who may be connected. Whoever has shown no key has a short time and one of a quarter of all places; when there is none
 * left, the one who has been there longest gives way: a newcomer that means it needs a second to prove itself, and a crowd
 * of idle strangers never keeps it out. What was proven is asked for nothing again; only when all places are taken, the
 * gateway that has most of them gives up its oldest, down to a few.
 */
export class ConnectionPlaces {
  readonly #limits: PlaceLimits;
  readonly #clock: Clock;
  readonly #onEnd: (reason: EndReason) => void;
  /** The longest there first. */
  readonly #unproven = new Set<Place>();
  /** By gateway, the longest there first. */
  readonly #proven = new Map<string, Set<Place>>();
  #taken = 0;

  constructor(limits: PlaceLimits, clock: Clock, onEnd: (reason: EndReason) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  get taken(): number {
    return this.#taken;
  }

  get unproven(): number {
    return this.#unproven.size;
  }

  /** Undefined when every place is taken by gateways that have few each: close the connection. */
  enter(ends: ConnectionEnds): ConnectionPlace | undefined {
    const { maxConnections, unprovenMs } = this.#limits;
    const unprovenMax = Math.max(1, Math.floor(maxConnections * UNPROVEN_SHARE));
    if (this.#taken >= maxConnections || this.#unproven.size >= unprovenMax) first(this.#unproven)?.giveWay();
    if (this.#taken >= maxConnections) first(this.#mostOfOne())?.giveWay();
    if (this.#taken >= maxConnections) {
      this.#onEnd("too-many");
      return undefined;
    }
    this.#taken++;
    return new Place(ends, unprovenMs, this.#clock, this.#unproven, {
      onEnd: this.#onEnd,
      onProven: (place, gateway) => {
        const places = this.#proven.get(gateway) ?? new Set();
        this.#proven.set(gateway, places.add(place));
      },
      onLeave: (place, gateway) => {
        this.#taken--;
        const places = gateway === undefined ? undefined : this.#proven.get(gateway);
        if (places?.delete(place) === true && places.size === 0) this.#proven.delete(gateway!);
      },
    });
  }

  /** The places of the gateway that has most, if that is more than a few. */
  #mostOfOne(): ReadonlySet<Place> {
    let most: ReadonlySet<Place> = new Set();
    for (const places of this.#proven.values()) if (places.size > most.size) most = places;
    return most.size > FEW_OF_ONE ? most : new Set();
  }
}

interface PlaceEvents {
  readonly onEnd: (reason: EndReason) => void;
  readonly onProven: (place: Place, gateway: string) => void;
  readonly onLeave: (place: Place, gateway: string | undefined) => void;
}

class Place implements ConnectionPlace {
  readonly #ends: ConnectionEnds;
  readonly #clock: Clock;
  readonly #halfTimeUs: number;
  readonly #unproven: Set<Place>;
  readonly #events: PlaceEvents;
  #state: "unproven" | "known" | "proven" | "left" = "unproven";
  #gateway: string | undefined;
  #timer: Timer;

  constructor(ends: ConnectionEnds, unprovenMs: number, clock: Clock, unproven: Set<Place>, events: PlaceEvents) {
    this.#ends = ends;
    this.#clock = clock;
    this.#halfTimeUs = clock.monotonicUs() + unprovenMs * 500;
    this.#unproven = unproven;
    this.#events = events;
    this.#timer = clock.after(unprovenMs, () => this.#expire());
    unproven.add(this);
  }

  known(): void {
    if (this.#state !== "unproven") return;
    this.#become("known");
    // Behind all others: it has shown more than they have.
    this.#unproven.add(this);
  }

  proven(gateway: string): void {
    if (this.#state !== "unproven" && this.#state !== "known") return;
    this.#become("proven");
    this.#gateway = gateway;
    this.#events.onProven(this, gateway);
  }

  goesOn(): boolean {
    return this.#state !== "unproven" || this.#clock.monotonicUs() < this.#halfTimeUs;
  }

  leave(): void {
    if (this.#state === "left") return;
    this.#become("left");
    this.#events.onLeave(this, this.#gateway);
  }

  /** Leaves the place to somebody else at once. */
  giveWay(): void {
    this.leave();
    this.#events.onEnd("too-many");
    this.#ends.now();
  }

  #become(state: "known" | "proven" | "left"): void {
    this.#state = state;
    this.#timer.cancel();
    this.#unproven.delete(this);
  }

  #expire(): void {
    this.#events.onEnd("unproven");
    this.#timer = this.#clock.after(GRACE_MS, this.#ends.now);
    this.#ends.soon();
  }
}

function first<Item>(set: ReadonlySet<Item>): Item | undefined {
  return set.values().next().value;
}
