import type { Random } from "@paddock/base/random.ts";
import type { CoapSettings } from "../scenario/schema.ts";

/** The first timeout of a CON, in ms (RFC 7252 §4.2): between ACK_TIMEOUT and that times ACK_RANDOM_FACTOR. */
export function firstTimeoutMs(settings: CoapSettings, random: Random): number {
  return settings.ackTimeout * (1 + (settings.ackRandomFactor - 1) * random.float());
}

/** The timeout after transmission number `transmissions` (1 is the first), or undefined when that was the last. */
export function nextTimeoutMs(settings: CoapSettings, firstMs: number, transmissions: number): number | undefined {
  return transmissions > settings.maxRetransmit + 1 ? undefined : firstMs * 2 ** (transmissions - 1);
}

/** How long a sensor stays away when told to come back: Max-Age (60 s when absent, RFC 7252 §5.10.5) and up to a quarter more. */
export function comeBackMs(settings: CoapSettings, maxAgeS: number | undefined, random: Random): number {
  return Math.min(settings.retryWaitMax, (maxAgeS ?? 60) * 1000) * (1 + random.float() / 4);
}
