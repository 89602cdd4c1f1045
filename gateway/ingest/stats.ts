import { LANES, type LaneName } from "@paddock/wire/lanes.ts";
import { REFUSAL_NAMES, type Refusal } from "./refusals.ts";

/** What the listeners counted since the start. Names are stable: metrics are named after them. */
export interface IngestCounters {
  /** Datagrams taken from the sockets, and their bytes. */
  datagrams: number;
  datagramBytes: number;
  /** Frames that the commit loop took, by lane. */
  readonly accepted: Record<LaneName, number>;
  /** Bytes of these frames. */
  acceptedBytes: number;
  /** Frames that were taken and then not stored, with whoever waits told so. */
  commitFailed: number;
  /** Copies by endpoint, Message-ID and content. */
  duplicates: number;
  /** Copies by a keyed sensor's sequence number. */
  sequenceDuplicates: number;
  /** Blocks that were taken and are not the last of their body. */
  blocks: number;
  /** CoAP pings, answered by RST. */
  pings: number;
  /** Messages that are no requests: ACK, RST, responses. */
  ignored: number;
  /** Datagrams sent. */
  answers: number;
  /** Answers left out because the sender's port is 0, or its address no host's: there is nobody to send them to. */
  unanswerable: number;
  /** Datagrams that could not be sent. */
  sendErrors: number;
  /** Datagrams that a fault of this program kept from being handled: each is a line in the log. */
  handlerFailures: number;
  /** Requests that came by multicast. */
  multicast: number;
  readonly refused: Record<Refusal, number>;
}

export function newCounters(): IngestCounters {
  return {
    datagrams: 0,
    datagramBytes: 0,
    accepted: zeroes(LANES),
    acceptedBytes: 0,
    commitFailed: 0,
    duplicates: 0,
    sequenceDuplicates: 0,
    blocks: 0,
    pings: 0,
    ignored: 0,
    answers: 0,
    unanswerable: 0,
    sendErrors: 0,
    handlerFailures: 0,
    multicast: 0,
    refused: zeroes(REFUSAL_NAMES),
  };
}

/** What is known of one sender. */
export class SenderStats {
  /** Frames accepted, and their bytes. */
  frames = 0;
  bytes = 0;
  duplicates = 0;
  /** CLOCK_MONOTONIC in µs of the last request, accepted or not; 0 for never. */
  lastSeenUs = 0;
  lastFrameUs = 0;
  refusals = 0;
  /** Made at the first refusal: most senders have none. */
  refusedBy: Partial<Record<Refusal, number>> | undefined = undefined;
  lastRefusal: Refusal | undefined = undefined;
  lastRefusalDetail = "";

  refused(reason: Refusal, detail: string): void {
    this.refusals++;
    this.refusedBy ??= {};
    this.refusedBy[reason] = (this.refusedBy[reason] ?? 0) + 1;
    this.lastRefusal = reason;
    this.lastRefusalDetail = detail;
  }
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
