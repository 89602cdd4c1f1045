import type { SenderReport } from "../ingest/sensors.ts";
import type { BufferReport } from "./buffer-report.ts";
import type { ChainReport } from "./chain-report.ts";
import type { GatewayStatus } from "./status.ts";

/**
 * What goes over the status socket: newline-delimited JSON, one request and one response a line, in order. The socket is
 * the owner's alone (mode 0600), so there is no other authentication.
 */
export interface Requests {
  readonly status: { readonly get: "status" };
  readonly buffer: { readonly get: "buffer" };
  readonly sensors: { readonly get: "sensors" };
  readonly metrics: { readonly get: "metrics" };
  /** Verifies one lane's chain, or all of them, from the disk. */
  readonly chain: {
    readonly get: "chain";
    readonly lane?: string;
    readonly from?: number;
    readonly to?: number;
  };
}

export interface Answers {
  readonly status: GatewayStatus;
  readonly buffer: BufferReport;
  readonly sensors: SensorsReport;
  readonly metrics: string;
  readonly chain: readonly ChainReport[];
}

export type RequestName = keyof Requests;

export interface SensorsReport {
  /** Seconds since each sender was seen stand in the reports as `lastSeenUs`; this is now on the same clock. */
  readonly nowUs: number;
  readonly senders: readonly SenderReport[];
}

export type Response<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: string; readonly message: string };

/** Bytes of a request line. */
export const REQUEST_BYTES_MAX = 4096;

/** The functions that answer; each may throw. */
export type Answerers = { readonly [Name in RequestName]: (request: Requests[Name]) => Promise<Answers[Name]> };
