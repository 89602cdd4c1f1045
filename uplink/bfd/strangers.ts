import { type Arrival, arrivalPlace } from "./session-directory.ts";

/** An address is worth naming this long after its last packet. */
const FRESH_US = 60_000_000;

/**
 * Who last spoke to a local address without being anybody's peer. A session there that hears nothing may be waiting for
 * just this one: a neighbour that sends from another address than it was configured with.
 */
export class Strangers {
  /** One for each place that a listener was opened at. */
  readonly #lastAt = new Map<string, { readonly remote: string; readonly atUs: number }>();

  note(arrival: Arrival, nowUs: number): void {
    this.#lastAt.set(arrivalPlace(arrival), { remote: arrival.remote, atUs: nowUs });
  }

  /** The address that spoke last, if within a minute. */
  near(place: Omit<Arrival, "remote">, nowUs: number): string | undefined {
    const last = this.#lastAt.get(arrivalPlace(place));
    return last === undefined || nowUs - last.atUs > FRESH_US ? undefined : last.remote;
  }
}
