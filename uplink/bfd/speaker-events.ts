import type { BfdState } from "@paddock/wire/bfd-packet.ts";
import type { SessionReason } from "./session.ts";
import type { SessionKind } from "./session-spec.ts";
import type { StallReport } from "./stall-meter.ts";

/**
 * `unknown`: BFD has nothing to say about the path, because the session has never been Up (RFC 5882 §3.2), because an
 * end is switched off, or because the speaker is gone.
 */
export type SessionLiveness = "up" | "down" | "unknown";

/** A session changed its state, or what its state means. */
export interface StateEvent {
  readonly event: "state";
  readonly name: string;
  readonly owner: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly from: BfdState;
  readonly to: BfdState;
  readonly liveness: SessionLiveness;
  readonly reason: SessionReason | "neighbor-disabled";
  /** The word of RFC 5880 §4.1. */
  readonly diagnostic: string;
  readonly remoteDiagnostic: string | null;
  /** On a Down: time since the last valid packet, which is what detection took. */
  readonly detectedInMs: number | null;
  /** On an Up the detection time to begin with, on a Down the one that was in force. */
  readonly detectionTimeMs: number | null;
  /** The longest time since the last packet in which this process did not run: the observer's own share. */
  readonly stalledMs: number;
}

/** The negotiated pace changed while Up. */
export interface PaceEvent {
  readonly event: "pace";
  readonly name: string;
  readonly owner: string;
  readonly at: number;
  readonly transmitIntervalMs: number;
  readonly detectionTimeMs: number;
}

/** The transmission interval was raised because of this process's own stalls, or lowered after a calm minute. */
export interface HoldEvent {
  readonly event: "relaxed" | "restored";
  readonly name: string;
  readonly owner: string;
  readonly at: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly worstStallMs: number;
  readonly detail: string;
}

/** The socket of a session cannot be opened or used; it is tried again. `code` null: it works again. */
export interface TransportEvent {
  readonly event: "transport";
  readonly name: string;
  readonly owner: string;
  readonly at: number;
  readonly code: string | null;
}

/** The peer of a multihop session speaks from another address; packets go there from now on (RFC 5880 §6.3). */
export interface MovedEvent {
  readonly event: "moved";
  readonly name: string;
  readonly owner: string;
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

export type SpeakerEvent = StateEvent | PaceEvent | HoldEvent | TransportEvent | MovedEvent;

/** One session as an operator sees it. */
export interface SessionReport {
  readonly name: string;
  readonly owner: string;
  readonly kind: SessionKind;
  readonly local: string;
  /** The peer's address of now, which a multihop peer may have changed. */
  readonly remote: string | null;
  readonly state: BfdState;
  readonly liveness: SessionLiveness;
  readonly diagnostic: string;
  readonly remoteState: BfdState | null;
  readonly remoteDiagnostic: string | null;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  /** Negotiated, before jitter. */
  readonly transmitIntervalMs: number;
  /** The longest time between two packets of the far end, negotiated. */
  readonly receiveIntervalMs: number;
  readonly detectionTimeMs: number;
  /** The configured transmission interval when this process cannot hold it, else null. */
  readonly relaxedFromMs: number | null;
  readonly sinceLastPacketMs: number | null;
  readonly rttMs: number | null;
  /** Unix milliseconds of the last change of state. */
  readonly since: number;
  /** How long it has been asked for without ever being Up; null once it was, or while an end is switched off. */
  readonly neverUpForMs: number | null;
  /** While not Up: who has spoken to its local address within a minute and is nobody's peer. */
  readonly strangerAddress: string | null;
  readonly sent: number;
  readonly received: number;
  /** In both directions, with IPv6 and UDP headers, as a carrier counts them. */
  readonly bytes: number;
  /** The same in a day at the pace of now. */
  readonly bytesPerDay: number;
  /**
   * Share of the packets due in the last minute that did not come while Up, 0 to 1; null when fewer than ten were due. Of
   * an asynchronous session a lower bound, as jitter leaves open how many its peer sent.
   */
  readonly lossLastMinute: number | null;
  /** Datagrams refused, by cause. */
  readonly refused: Readonly<Record<string, number>>;
  readonly socketErrors: Readonly<Record<string, number>>;
  readonly ups: number;
  readonly downs: number;
  readonly lastDown: StateEvent | null;
}

export interface SpeakerReport {
  readonly sessions: readonly SessionReport[];
  /** Datagrams that belong to no session, by cause. */
  readonly refused: Readonly<Record<string, number>>;
  readonly stalls: StallReport;
}
