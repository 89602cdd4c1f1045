import type { LaneName } from "@paddock/wire/lanes.ts";
import type { PressurePolicy } from "../commit/ports.ts";
import type { PathWatchStatus, SourceStatus, TroubleStatus } from "../paths/path-facts.ts";
import type { PathTransition } from "../paths/path-history.ts";
import type { RouteFinding } from "../paths/path-routes.ts";

/**
 * What a running gateway says of itself. The status commands print it, `--json` prints it as it is, and the metrics are
 * made from it: every number has one source.
 */
export interface GatewayStatus {
  /** SHA-256 of the public key, hex. */
  readonly id: string;
  readonly label: string;
  readonly pid: number;
  readonly uptimeS: number;
  /** Boots of this machine so far. */
  readonly boot: number;
  readonly clock: { readonly quality: "unset" | "holdover" | "synchronised"; readonly wallMs: number };
  /** Addresses that take frames. */
  readonly listening: readonly string[];
  readonly stopping: boolean;
  /** `notices` of the configuration. */
  readonly notices: readonly string[];
  readonly ingest: IngestStatus;
  readonly lanes: readonly LaneStatus[];
  readonly buffer: BufferStatus;
  readonly uplinks: UplinksStatus;
  readonly process: ProcessStatus;
}

export interface IngestStatus {
  readonly receivedDatagrams: number;
  readonly receivedBytes: number;
  /** Per second, over the last ten. */
  readonly acceptedFramesPerS: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly duplicateFrames: number;
  readonly duplicateSequences: number;
  /** Answers that did not leave: there was nobody to send them to, or the socket could not. */
  readonly answersUnanswerable: number;
  readonly answersFailed: number;
  /** What is wrong with the sensors file, each with a command. */
  readonly sensorsProblems: readonly { readonly text: string; readonly next: string }[];
  /** Datagrams that a fault of the gateway's own kept from being handled; the log has each kind. */
  readonly failedDatagrams: number;
  /** Datagrams that the kernel dropped because a receive buffer was full. */
  readonly kernelDrops: number;
  /** What the kernel granted, the smallest of all sockets. */
  readonly receiveBufferBytes: number;
  /** What was asked for. */
  readonly receiveBufferWantedBytes: number;
}

export interface LaneStatus {
  readonly lane: LaneName;
  readonly epoch: number;
  /** Seq of the newest durable batch; null while the chain is empty. */
  readonly headSeq: number | null;
  readonly acceptedFrames: number;
  readonly committedFrames: number;
  readonly committedBatches: number;
  readonly committedBytes: number;
  /** Records that a receipt of the collector names, since the start. */
  readonly acknowledgedRecords: number;
  /** Stored and in no receipt. */
  readonly pendingRecords: number;
  readonly pendingBytes: number;
  readonly storedBytes: number;
  readonly pressure: PressurePolicy;
  readonly quotaShare: number;
  /** New frames of this lane are refused for want of room. */
  readonly full: boolean;
  readonly refusedStoreFull: number;
  readonly refusedQueueFull: number;
  readonly evictedRecords: number;
  readonly evictedBytes: number;
}

export interface BufferStatus {
  readonly usedBytes: number;
  readonly maxBytes: number;
  readonly freeDiskBytes: number;
  readonly minFreeBytes: number;
  readonly pendingRecords: number;
  readonly pendingBytes: number;
  /** How much faster the backlog shrinks than it grows; negative while it grows. Over the last ten seconds. */
  readonly drainRecordsPerS: number;
}

export interface UplinksStatus {
  /** Whether a collector and a path are configured at all. */
  readonly configured: boolean;
  readonly enrolment: "unknown" | "approved" | "pending" | "denied";
  /** The collector did not take the claim code; whether it is wrong or used, only its operator is told. */
  readonly claimNotTaken: boolean;
  /** Name of the path that carries traffic; null when none can. */
  readonly active: string | null;
  /** Seconds without any usable path; null while there is one. */
  readonly withoutPathS: number | null;
  /** Seconds since the newest receipt; null before the first. */
  readonly lastReceiptS: number | null;
  readonly paths: readonly PathStatus[];
  /** The BFD speaker; null when no path asks for one. */
  readonly speaker: "connected" | "gone" | null;
  /** Chains that the collector refuses, and why. */
  readonly stopped: readonly { readonly lane: LaneName; readonly epoch: number; readonly why: string }[];
  readonly standby: string | null;
  /** Newest first. */
  readonly switches: readonly SwitchStatus[];
}

export interface PathStatus {
  readonly name: string;
  /** The one in use. */
  readonly endpoint: string;
  readonly source: string | null;
  /** What the kernel says of the source; null without a source, or when no interface has it. */
  readonly sourceAddress: SourceStatus | null;
  /** Where packets from the source leave; null where nobody asked. */
  readonly route: RouteFinding | null;
  readonly role: "active" | "standby" | "idle";
  readonly standing: string;
  readonly why: string;
  readonly liveness: "up" | "down" | "unknown";
  /** Null for a path that BFD does not watch. */
  readonly watch: PathWatchStatus | null;
  readonly session: "closed" | "opening" | "open";
  readonly roundTripMs: number | null;
  readonly requestsInFlight: number;
  readonly bytesInFlight: number;
  readonly flapPenalty: number;
  /** Until the penalty no longer holds it back; null when it does not. */
  readonly suppressedForS: number | null;
  /** Until it may take over from a path that works; null for the one that carries traffic and for those not sound. */
  readonly holdDownS: number | null;
  readonly metered: MeteredStatus | null;
  readonly sentRecords: number;
  readonly usedBytes: number;
  readonly lastReceiptS: number | null;
  readonly lastError: string | null;
  /** Why it is not usable, or not watched as configured; null while nothing is known to be wrong. */
  readonly trouble: TroubleStatus | null;
  /** The last five, newest first. */
  readonly transitions: readonly TransitionStatus[];
}

export interface MeteredStatus {
  readonly usedBytes: number;
  readonly leftBytes: number;
  readonly budgetBytes: number;
  /** Unix milliseconds of the next billing day. */
  readonly resetsWallMs: number;
}

export interface TransitionStatus {
  readonly agoS: number;
  readonly what: PathTransition["what"];
  readonly why: string;
  readonly detectedInMs: number | null;
  readonly framesResent: number | null;
}

export interface SwitchStatus {
  readonly agoS: number;
  readonly from: string | null;
  readonly to: string | null;
  readonly why: string;
  /** How long after the failure its watcher noticed, where one did. */
  readonly detectedInMs: number | null;
  readonly framesResent: number;
}

export interface ProcessStatus {
  readonly rssBytes: number;
  /** Delay of the event loop beyond its timer, over the last minute. */
  readonly eventLoopDelayP99Ms: number;
  readonly eventLoopDelayMaxMs: number;
  /** Bytes that this process caused to be written to the disk; null where the kernel does not tell. */
  readonly writtenBytes: number | null;
  /** `writtenBytes` per byte of payload made durable; null before there is any. */
  readonly writeAmplification: number | null;
}
