import type { Timer } from "@paddock/base/clock.ts";
import type { SendOutcome } from "../ledger/sent-line.ts";
import type { PlannedFrame, Sending } from "../plan/planned-frame.ts";
import type { PoolSocket } from "./endpoint-pool.ts";

/** A frame on its way, over one or several endpoints. */
export interface FrameInFlight {
  readonly planned: PlannedFrame;
  /** Unix ms of its first datagram; 0 before. */
  atMs: number;
  attempts: number;
  /** Sendings whose outcome is not known yet. */
  open: number;
  outcome: SendOutcome | undefined;
  code: string | undefined;
}

/** One sending of a frame that waits for its answer. */
export interface Exchange {
  readonly flight: FrameInFlight;
  readonly sending: Sending;
  readonly pooled: PoolSocket;
  /** Index of the datagram that is out: above 0 only in a Block1 transfer. */
  block: number;
  /** The datagram that is out: as planned, or under a new Message-ID. */
  datagram: Buffer;
  messageId: number;
  transmissions: number;
  firstTimeoutMs: number;
  retries: number;
  timer: Timer | undefined;
}

/** Outcomes in the order in which one copy's fate stands for the frame: one copy stored is a frame stored. */
const WEIGHT: readonly SendOutcome[] = [
  "refused",
  "reset",
  "abandoned",
  "unfinished",
  "sent",
  "unanswered",
  "timed-out",
  "acknowledged",
];

/** Joins the outcome of one sending into its frame's; true when that was the last one open. */
export function settle(flight: FrameInFlight, outcome: SendOutcome, code: string | undefined): boolean {
  if (flight.outcome === undefined || WEIGHT.indexOf(outcome) > WEIGHT.indexOf(flight.outcome)) {
    flight.outcome = outcome;
    flight.code = code;
  }
  flight.open--;
  return flight.open === 0;
}
