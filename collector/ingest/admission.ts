import type { CollectorLimits } from "../config.ts";
import { BodyBudget, type BodyLease } from "./body-budget.ts";

export type AdmissionLimits = Pick<CollectorLimits, "maxUploads" | "maxUploadsPerGateway" | "maxBodyBytesInFlight">;

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

/** The part of all bytes in flight that one gateway may hold: several large uploads, never the room of all others. */
const GATEWAY_SHARE = 1 / 4;

interface Present {
  uploads: number;
  readonly budget: BodyBudget;
}

/** Counts uploads and their bytes, per gateway and in total, and turns away what is over the limits. */
export class Admission {
  readonly budget: BodyBudget;
  readonly #limits: AdmissionLimits;
  readonly #gateways = new Map<string, Present>();
  #uploads = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.budget = new BodyBudget(limits.maxBodyBytesInFlight);
  }

  get uploads(): number {
    return this.#uploads;
  }

  /** `gateway`: id of one that has proven its key. */
  enter(gateway: string): Admitted | AdmissionRefusal {
    const { maxUploads, maxUploadsPerGateway, maxBodyBytesInFlight } = this.#limits;
    let present = this.#gateways.get(gateway);
    if (present !== undefined && present.uploads >= maxUploadsPerGateway) {
      const message = `${maxUploadsPerGateway} uploads of this gateway are in flight already.`;
      return { ok: false, status: 429, code: "busy", message };
    }
    if (this.#uploads >= maxUploads) {
      return { ok: false, status: 503, code: "busy", message: `${maxUploads} uploads are in flight already.` };
    }
    if (present === undefined) {
      present = { uploads: 0, budget: new BodyBudget(maxBodyBytesInFlight * GATEWAY_SHARE, this.budget) };
      this.#gateways.set(gateway, present);
    }
    const { budget } = present;
    this.#uploads++;
    present.uploads++;
    const lease = budget.open();
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      lease.close();
      this.#uploads--;
      if (--present.uploads === 0) this.#gateways.delete(gateway);
    };
    return { ok: true, lease, leave };
  }
}
