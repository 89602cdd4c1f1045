import type { LaneName } from "@paddock/wire/lanes.ts";

/** What a frame is: a good one, or the fault that made it. */
export type FrameKind =
  | "good"
  | "duplicate"
  | "stuck-value"
  | "reboot"
  | "replay"
  | "malformed-cbor"
  | "truncated-cbor"
  | "wrong-format"
  | "stale-sequence"
  | "bad-tag"
  | "abandoned-blocks"
  | "oversize";

/**
 * What has to become of a frame: it is stored once; it is refused and never stored; or either is right, because the
 * network may lose it or because the same bytes were sent before.
 */
export type Expectation = "stored" | "refused" | "maybe";

/** What each kind of frame deserves when the network loses nothing. */
export const EXPECTED: Readonly<Record<FrameKind, Expectation>> = {
  good: "stored",
  duplicate: "stored",
  "stuck-value": "stored",
  reboot: "stored",
  replay: "maybe",
  "malformed-cbor": "refused",
  "truncated-cbor": "refused",
  "wrong-format": "refused",
  "stale-sequence": "refused",
  "bad-tag": "refused",
  "abandoned-blocks": "refused",
  oversize: "refused",
};

/** One frame on its way out of one source address. */
export interface Sending {
  /** Index of the endpoint: each sensor has one per source address. */
  readonly endpoint: number;
  /** The CoAP token as a number, unique in the run. */
  readonly token: number;
  /** One datagram, or the blocks of a Block1 transfer in their order. */
  readonly datagrams: readonly Buffer[];
}

/** One frame of the plan: who sends what, when, and what is to become of it. */
export interface PlannedFrame {
  /** Counts the frames of the run from 0. */
  readonly n: number;
  /** Microseconds of virtual time since the start of the run. */
  readonly atUs: number;
  readonly sensor: string;
  /** Index of the sensor in the run. */
  readonly sensorIndex: number;
  readonly lane: LaneName;
  readonly kind: FrameKind;
  /** The Content-Format that the request names, and with it the record when it is stored. */
  readonly format: number;
  /** The CoAP payload: what is stored when it is stored. */
  readonly frame: Uint8Array;
  readonly confirmable: boolean;
  /** Whether an answer is wanted at all (RFC 7967). */
  readonly answered: boolean;
  readonly sendings: readonly Sending[];
  /** When above 0, the first datagram leaves once more after so many microseconds. */
  readonly repeatAfterUs: number;
}

/** Where the datagrams of an endpoint come from. */
export interface PlannedEndpoint {
  readonly sensor: string;
  /** An IPv6 address to bind; `::` lets the kernel choose. */
  readonly address: string;
}
