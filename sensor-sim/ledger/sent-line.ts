import type { LaneName } from "@paddock/wire/lanes.ts";
import type { Expectation, FrameKind } from "../plan/planned-frame.ts";

/** The sent ledger: NDJSON, first a header, then frames and endpoints as they come, at the end a summary. */
export const SENT_LEDGER_VERSION = 2;

export interface SentHeader {
  readonly "paddock-sent": typeof SENT_LEDGER_VERSION;
  readonly scenario: string;
  /** Hex SHA-256 of the scenario file. */
  readonly scenarioSha256: string;
  readonly seed: number;
  /** Unix ms that the sensors' clocks showed at the start: with scenario and seed, all that the bytes depend on. */
  readonly clockMs: number;
  /** Unix ms at the start, by this machine's clock. */
  readonly startedMs: number;
  readonly target: string;
  /** Ids of keyed sensors: what the collector's log names as their source. */
  readonly keyedSensors: readonly string[];
}

/** Where frames of sensors without key come from, as the log names it: `[address]:port`. */
export interface SentEndpoint {
  readonly endpoint: string;
}

/** What a sensor learned about a frame. */
export type SendOutcome =
  /** 2.04: durable and chained. */
  | "acknowledged"
  /** An error code; `code` has it. */
  | "refused"
  /** A CON without answer after every retransmission (RFC 7252 §4.2). */
  | "timed-out"
  /** A NON that wanted an answer and got none. */
  | "unanswered"
  /** No answer was wanted. */
  | "sent"
  /** The peer answered with RST. */
  | "reset"
  /** A Block1 transfer that its sensor gave up. */
  | "abandoned"
  /** The run ended first. */
  | "unfinished";

export interface SentFrame {
  readonly n: number;
  readonly sensor: string;
  readonly lane: LaneName;
  /** Whom the log has to name: the id of a keyed sensor, the endpoint `[address]:port` of any other. */
  readonly source: string;
  /** The CoAP Content-Format under which the log has to keep it. */
  readonly format: number;
  /** Hex SHA-256 of the CoAP payload, which is what is stored. */
  readonly sha256: string;
  /** Unix ms at which the first datagram left. */
  readonly atMs: number;
  readonly kind: FrameKind;
  readonly expect: Expectation;
  readonly outcome: SendOutcome;
  /** The last error code, such as 4.00. */
  readonly code?: string;
  /** Datagrams that left for this frame, retransmissions and copies included. */
  readonly attempts: number;
}

export interface SentSummary {
  readonly summary: {
    readonly frames: number;
    readonly datagrams: number;
    readonly seconds: number;
    readonly outcomes: Readonly<Record<string, number>>;
    readonly kinds: Readonly<Record<string, number>>;
    /** Good frames that were refused for another reason than pressure, and bad ones that were acknowledged. */
    readonly wrongAnswers: number;
    /** Good frames whose sensor wanted an answer and got none to the end of the run. */
    readonly unanswered: number;
    /** The most that the run was behind its plan, in ms. */
    readonly behindMaxMs: number;
  };
}
