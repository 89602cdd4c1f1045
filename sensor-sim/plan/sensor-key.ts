import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { ALG_HMAC_256_256, ALG_HMAC_256_64, encodeMac0 } from "@paddock/wire/cose-mac.ts";

/**
 * Keys of simulated sensors: decided by the seed, so that `sim keys` and `sim run` agree without a file between them.
 * They protect nothing and belong on no real device.
 */
export function sensorKeyBytes(seed: number, sensor: string): Buffer {
  return createHmac("sha256", `paddock sensor-sim ${seed}`).update(sensor).digest();
}

/** Seals frames of one sensor as COSE_Mac0 (docs/protocol.md §1.5). */
export class MacSealer {
  readonly #key: KeyObject;
  readonly #sensor: string;
  readonly #format: 112 | 113;
  readonly #algorithm: typeof ALG_HMAC_256_64 | typeof ALG_HMAC_256_256;

  constructor(options: { key: Uint8Array; sensor: string; format: 112 | 113; tagBits: 64 | 256 }) {
    this.#key = createSecretKey(options.key);
    this.#sensor = options.sensor;
    this.#format = options.format;
    this.#algorithm = options.tagBits === 64 ? ALG_HMAC_256_64 : ALG_HMAC_256_256;
  }

  /** `sequence` is the partial IV, 0 to 2^40-1. */
  seal(sequence: number, payload: Uint8Array): Buffer {
    const header = { algorithm: this.#algorithm, format: this.#format, sensor: this.#sensor, sequence };
    return encodeMac0(this.#key, header, payload);
  }
}
