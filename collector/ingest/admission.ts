import type { CollectorLimits } from "../config.ts";
import { BodyBudget, type BodyLease } from "./body-budget.ts";

export type AdmissionLimits = Pick<CollectorLimits, "maxUploads" | "maxUploadsPerConnection" | "maxBodyBytesInFlight">;

export interface AdmissionRefusal {
  readonly ok: false;
  readonly status: 429 | 503;
  readonly code: string;
  readonly message: string;
}

export interface Admitted {
  readonly ok: true;
  readonly lease: BodyLease;
  /** Call once the upload is answered. */
  readonly leave: () => void;
}

/** Counts uploads and their bytes, per connection and in total, and turns away what is over the limits. */
export class Admission {
  readonly budget: BodyBudget;
  readonly #limits: AdmissionLimits;
  readonly #perConnection = new WeakMap<object, number>();
  #uploads = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.budget = new BodyBudget(limits.maxBodyBytesInFlight);
  }

  get uploads(): number {
    return this.#uploads;
  }

  enter(connection: object): Admitted | AdmissionRefusal {
    const { maxUploads, maxUploadsPerConnection } = this.#limits;
    if (this.#uploads >= maxUploads) {
      return { ok: false, status: 503, code: "busy", message: `${maxUploads} uploads are in flight already.` };
    }
    const onConnection = this.#perConnection.get(connection) ?? 0;
    if (onConnection >= maxUploadsPerConnection) {
      const message = `${maxUploadsPerConnection} uploads are in flight on this connection already.`;
      return { ok: false, status: 429, code: "busy", message };
    }
    this.#uploads++;
    this.#perConnection.set(connection, onConnection + 1);
    const lease = this.budget.open();
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      lease.close();
      this.#uploads--;
      this.#perConnection.set(connection, (this.#perConnection.get(connection) ?? 1) - 1);
    };
    return { ok: true, lease, leave };
  }
}
