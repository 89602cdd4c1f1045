import { BFD_PACKET_BYTES } from "@paddock/wire/bfd-packet.ts";

export interface Profile {
  readonly intervalMs: number;
  readonly detectMult: number;
}

/** Named speeds. `fast` holds only in a process with FIFO or CPUWeight priority; `slow` is for metered standby paths. */
export const PROFILES = {
  fast: { intervalMs: 50, detectMult: 3 },
  steady: { intervalMs: 300, detectMult: 3 },
  slow: { intervalMs: 10_000, detectMult: 3 },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;

/** IPv6 and UDP headers without options; what the link layer adds is not billed. */
const HEADER_BYTES = 40 + 8;
/** Jitter takes 0 to 25 % off every interval, so packets leave at 87.5 % of it on average. */
const MEAN_JITTER = 0.875;

/** What a datagram of BFD is billed as, in bytes. */
export function billedBytes(datagramBytes: number): number {
  return HEADER_BYTES + datagramBytes;
}

/** Bytes that a session costs in `days`, both directions together, while it is Up and nothing is lost. */
export function sessionBytes(intervalMs: number, days = 30, authBytes = 0): number {
  const packets = (days * 86_400_000) / (intervalMs * MEAN_JITTER);
  return Math.round(2 * packets * billedBytes(BFD_PACKET_BYTES + authBytes));
}
