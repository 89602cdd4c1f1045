import type { LaneName } from "@paddock/wire/lanes.ts";

/**
 * What a time is worth. `sensor`: the sensor gave it, absolute. `gateway`: the gateway's clock at reception, or a time
 * of the sensor relative to that; `clock` says how good that clock was. `collector`: the gateway had no clock and
 * nothing has dated its boot so far, so that this is when the batch arrived at the collector.
 */
export type TimeBy = "sensor" | "gateway" | "collector";

/**
 * The gateway's clock at reception. `dated`: it was unset, and the boot was dated by a batch of the same boot that was
 * sealed once the clock was set.
 */
export type RowClock = "unset" | "holdover" | "synchronised" | "dated";

/**
 * One reading as every use of the data sees it: base fields resolved (RFC 8428 §4.6), its time absolute, and the way
 * back to the bytes that were sealed. (`offset`, `part`) is its key, the same in every replay of a log.
 */
export interface Row {
  /** Log offset of its record. */
  readonly offset: number;
  /** Which reading of that record, from 0, in the order of the pack. */
  readonly part: number;
  /** Gateway's id, 64 hex digits. */
  readonly gateway: string;
  readonly lane: LaneName;
  readonly epoch: number;
  readonly seq: number;
  /** Place of the record in its batch. */
  readonly index: number;
  /** The sensor's id, or `[address]:port` of one that is not known. */
  readonly source: string;
  readonly name: string;
  readonly unit: string | null;
  /** v with its base value as a double; null when the value is none or does not fit one, see `exact` and `whyNoNumber`. */
  readonly number: number | null;
  /** The decimal text of v with its base value where the nearest double is written differently; else null. */
  readonly exact: string | null;
  /** Why a number is not in `number`: `nan`, `infinity`, `-infinity`, `beyond-double`; else null. */
  readonly whyNoNumber: "nan" | "infinity" | "-infinity" | "beyond-double" | null;
  /** vs, or an LwM2M object link. */
  readonly text: string | null;
  readonly flag: boolean | null;
  readonly data: Uint8Array | null;
  /** Of `data`, as RFC 9193 §3 spells it. */
  readonly contentFormat: string | null;
  readonly sum: number | null;
  /** Seconds within which the sensor will send again. */
  readonly updateS: number | null;
  /** Microseconds since 1970 UTC, a safe integer. */
  readonly timeUs: number;
  readonly timeBy: TimeBy;
  readonly clock: RowClock;
  /** When its batch arrived at the collector: Unix ms. */
  readonly arrivedMs: number;
  /** Boots of the gateway's machine, and microseconds of that boot at which the gateway received the frame. */
  readonly boot: number;
  readonly monotonicUs: number;
}

/** A reading, or a whole record, that is none: it cannot be a row and stands on the sink's list instead. */
export interface DeadLetter {
  readonly offset: number;
  readonly gateway: string;
  readonly source: string;
  /** For people; names the record of the pack and the field. */
  readonly reason: string;
}

/** When a boot of a gateway without a clock was, learned later than some of its rows. */
export interface Dating {
  readonly gateway: string;
  readonly boot: number;
  /** Unix µs at which the boot's monotonic clock was 0. */
  readonly zeroUs: number;
}
