import type { Ranges } from "@paddock/base/ranges.ts";
import type { Random } from "@paddock/base/random.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import {
  PATH_SETTINGS,
  initialPaths,
  type PathSettings,
  type PathsState,
  type PathSwitch,
} from "../paths/path-state.ts";
import type { PathUsage } from "../paths/metered-budget.ts";
import type { ForwardOrder, SendKind } from "./lane-scheduler.ts";
import type { ChainBacklog, ChainName, EnrolmentAnswer, EnrolmentState, LinkFailure } from "./ports.ts";
import type { Liveness, PathConfig } from "../paths/path-config.ts";
import type { Trial } from "./silence-watch.ts";
import { RESTED, type RetryBounds, type RetryState } from "./retry-schedule.ts";

export interface ForwardSettings {
  readonly order: ForwardOrder;
  /** Share of the bytes that the backlog gets while live batches compete with it; 0 to below 1. */
  readonly backfillShare: number;
  /** Share of the requests in flight that may carry backlog, so that a live batch finds room at once. */
  readonly backfillCeiling: number;
  /** A batch is live for this long after it was sealed. */
  readonly liveWindowMs: number;
  /** Requests in flight on one path; the last one is kept for alarms. */
  readonly requestsInFlight: number;
  /** What is in flight on one path besides alarms: at most the bytes of so many requests of the size that fits it. */
  readonly windowRequests: number;
  /** Bytes in flight on one path, before compression. */
  readonly bytesInFlight: number;
  readonly requestBytesMin: number;
  readonly requestBytesMax: number;
  /** Of a new session. */
  readonly requestBytesFirst: number;
  /** Requests up to this size tell the round trip of the path. */
  readonly smallBytes: number;
  /**
   * How long a request may keep a path busy beyond its shortest round trip, at least; request sizes adapt to it. On a
   * long path it is `requestTargetTrips` of them: a lost segment costs one, which says nothing about the size.
   */
  readonly requestTargetMs: number;
  readonly requestTargetTrips: number;
  /** Length of a path, as its shortest round trip, for which one more small request may be in flight. */
  readonly pipelineStepMs: number;
  /** The same for a round trip that is long for want of speed, up to `windowRequests`. */
  readonly busyStepMs: number;
  /** From this round trip on a path whose requests have their full size may fill `bytesInFlight`. */
  readonly longPathMs: number;
  /** Without a receipt for this long, while something is in flight, the watchdog climbs one step. */
  readonly stallMs: number;
  readonly stallCapMs: number;
  readonly sessionRetry: RetryBounds;
  readonly identityRetry: RetryBounds;
  readonly chainRetry: RetryBounds;
  readonly busyRetry: RetryBounds;
  readonly enrolRetry: RetryBounds;
  readonly sendRetry: RetryBounds;
  readonly paths: PathSettings;
}

export const FORWARD_SETTINGS: ForwardSettings = {
  order: "live-first",
  backfillShare: 0.25,
  backfillCeiling: 0.75,
  liveWindowMs: 2000,
  requestsInFlight: 16,
  windowRequests: 4,
  bytesInFlight: 8 * 1024 * 1024,
  requestBytesMin: 8 * 1024,
  requestBytesMax: 1024 * 1024,
  requestBytesFirst: 128 * 1024,
  smallBytes: 64 * 1024,
  requestTargetMs: 50,
  requestTargetTrips: 1.2,
  pipelineStepMs: 6,
  busyStepMs: 20,
  longPathMs: 100,
  stallMs: 5000,
  stallCapMs: 60_000,
  sessionRetry: { firstMs: 250, capMs: 30_000 },
  identityRetry: { firstMs: 10_000, capMs: 300_000 },
  chainRetry: { firstMs: 30_000, capMs: 900_000 },
  busyRetry: { firstMs: 1000, capMs: 60_000 },
  enrolRetry: { firstMs: 15_000, capMs: 300_000 },
  sendRetry: { firstMs: 100, capMs: 10_000 },
  paths: PATH_SETTINGS,
};

/** A range of a chain on its way over a path. */
export interface Flight extends ChainName {
  readonly id: number;
  readonly path: string;
  readonly kind: SendKind;
  readonly first: number;
  /** Until the batches are read this is where the range may end at most. */
  readonly last: number;
  /** `delivered`: the receipt is there and is being made durable. */
  readonly stage: "reading" | "sent" | "delivered";
  /** Before compression; an estimate until the batches are read. */
  readonly bytes: number;
  readonly records: number;
  readonly sentMs: number;
  /** Whether this is the second copy of an alarm. */
  readonly copy: boolean;
}

export interface ChainState extends ChainName {
  /** When which seq was sealed, coarsely and only within the live window; oldest first. */
  readonly marks: readonly { readonly seq: number; readonly atMs: number }[];
  /** Whether the collector's own receipt has to be asked for before old batches are sent again. */
  readonly resume: "due" | "asking" | "done";
  /** While asking: where, and since when. */
  readonly asked: { readonly path: string; readonly atMs: number } | undefined;
  /** Monotonic ms: nothing of this chain is sent before; and no small request that others could still go with. */
  readonly blockedUntilMs: number;
  readonly gatherUntilMs: Readonly<Record<SendKind, number>>;
  readonly retry: RetryState;
  /** Seqs that could not be read; passed over until `unreadableUntilMs`, while the rest of the chain goes on. */
  readonly unreadable: Ranges;
  readonly unreadableUntilMs: number;
  /** Why the collector does not take this chain; undefined while it does. */
  readonly stoppedWhy: string | undefined;
  /** Steps that the watchdog has climbed since the last receipt. */
  readonly stallLevel: number;
  /** Last receipt or last step. */
  readonly progressMs: number;
}

export interface SessionState {
  readonly status: "closed" | "opening" | "open";
  readonly openedAtMs: number;
  readonly retryAtMs: number;
  /** The same while something waits that no other path takes. */
  readonly hurryAtMs: number;
  readonly retry: RetryState;
  /** Sessions that the collector ended in order, one after the other and each for nothing. */
  readonly ended: RetryState;
  /** After requests that failed while the session stayed open. */
  readonly sendAfterMs: number;
  readonly sendRetry: RetryState;
  /** The shortest round trip seen lately in this session, by receipts: rises slowly with a collector that got slower. */
  readonly baseMs: number;
  /** The shortest round trip of all in this session: how long the path is, whatever queues on it. */
  readonly lengthMs: number;
  /** Moving average over small requests: round trip and the collector's write. */
  readonly rttMs: number;
  /** How long an answer takes there as a rule; follows slowly. */
  readonly usualMs: number;
  /** Answers in this session. */
  readonly answers: number;
  /** When the newest answer came, or the session was opened. */
  readonly answeredMs: number;
  /** Silence beyond what is usual, as of then; see silence-watch.ts. */
  readonly silence: { readonly ms: number; readonly atMs: number };
  /** The question to another path that decides whether this one is left. */
  readonly trial: Trial | undefined;
  /**
   * The collector takes no new requests on this session, which ends once it has answered what it has: its successor has
   * to be opened, or is being opened, since then.
   */
  readonly succession: { readonly step: "due" | "opening"; readonly sinceMs: number } | undefined;
  /** Most bytes of one backlog request; adapts to the speed of the path. */
  readonly requestBytes: number;
  /** Traffic moved here, and nothing has been answered since. */
  readonly unproven: boolean;
  readonly lastError: string | undefined;
  /** What has gone wrong since then without a receipt between: its session does not open, or its requests fail. */
  readonly trouble:
    | { readonly of: "session" | "requests"; readonly sinceMs: number; readonly detail: string }
    | undefined;
  readonly switches: number;
}

export interface CollectorState {
  /** Everything waits until then: Retry-After holds for the collector, whichever path brought the answer. */
  readonly busyUntilMs: number;
  readonly busyRetry: RetryState;
  /** `assumed`: it does not answer enrolment requests, so uploads have to tell. */
  readonly enrolment: EnrolmentState | "unknown" | "assumed";
  /** The collector said so last. */
  readonly claimNotTaken: boolean;
  readonly enrolAsking: boolean;
  readonly enrolAtMs: number;
  readonly enrolRetry: RetryState;
}

export interface ForwardState {
  readonly paths: PathsState;
  readonly sessions: ReadonlyMap<string, SessionState>;
  readonly flights: ReadonlyMap<number, Flight>;
  readonly nextFlight: number;
  /** By `chainNumber`. */
  readonly chains: ReadonlyMap<number, ChainState>;
  readonly collector: CollectorState;
  /** Bytes that the backlog is owed; see lane-scheduler.ts. */
  readonly backlogCredit: number;
  readonly wakeAtMs: number | undefined;
  readonly stopping: boolean;
}

export type ForwardEvent =
  | { readonly kind: "start" }
  /** Nothing new is started from now on. */
  | { readonly kind: "stop" }
  | { readonly kind: "tick" }
  | { readonly kind: "sealed"; readonly lane: Lane; readonly epoch: number; readonly seq: number }
  | {
      readonly kind: "liveness";
      readonly path: string;
      readonly liveness: Liveness;
      readonly why: string;
      readonly detectedInMs?: number | undefined;
    }
  /** The path's configuration changed, for example its source address: its session is opened anew. */
  | { readonly kind: "configured"; readonly config: PathConfig }
  | { readonly kind: "opened"; readonly path: string; readonly handshakeMs: number }
  | { readonly kind: "open-failed"; readonly path: string; readonly failure: LinkFailure; readonly detail: string }
  | { readonly kind: "closed"; readonly path: string; readonly detail: string }
  /** The collector ends the session in order (RFC 9113 §6.8): it answers what it has, and takes nothing new. */
  | { readonly kind: "retiring"; readonly path: string; readonly detail: string }
  /** The batches of a flight are in memory and go out; `last` is the seq of the last one. */
  | {
      readonly kind: "read";
      readonly flight: number;
      readonly last: number;
      readonly bytes: number;
      readonly records: number;
    }
  /** Nothing could be read where the backlog said there is something. */
  | { readonly kind: "unreadable"; readonly flight: number; readonly detail: string }
  /** A verified receipt came back. */
  | { readonly kind: "delivered"; readonly flight: number }
  /** The receipt is durable, or could not be made so. */
  | { readonly kind: "settled"; readonly flight: number; readonly failure?: string | undefined }
  | {
      readonly kind: "failed";
      readonly flight: number;
      readonly failure: LinkFailure;
      readonly detail: string;
      readonly retryAfterMs?: number | undefined;
    }
  /** The current receipt of a chain is there and durable. */
  | { readonly kind: "answered"; readonly path: string; readonly lane: Lane; readonly epoch: number }
  | {
      readonly kind: "query-failed";
      readonly path: string;
      readonly lane: Lane;
      readonly epoch: number;
      readonly failure: LinkFailure;
      readonly detail: string;
      readonly retryAfterMs?: number | undefined;
    }
  | ({ readonly kind: "enrolled"; readonly path: string } & EnrolmentAnswer)
  | {
      readonly kind: "enrol-failed";
      readonly path: string;
      readonly failure: LinkFailure;
      readonly detail: string;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly kind: "loss"; readonly path: string; readonly share: number }
  | { readonly kind: "used"; readonly path: string; readonly bytes: number };

export type ForwardAction =
  /** A session that is open stays until it has its answers. `hurry`: something waits that no other path takes. */
  | { readonly kind: "open"; readonly path: string; readonly hurry: boolean }
  /** Also ends an attempt to open. */
  | { readonly kind: "close"; readonly path: string }
  | {
      readonly kind: "send";
      readonly flight: number;
      readonly path: string;
      readonly lane: Lane;
      readonly epoch: number;
      readonly first: number;
      readonly last: number;
      readonly maxBytes: number;
    }
  /** The flight is forgotten; whatever comes back for it is ignored. */
  | { readonly kind: "abort"; readonly flight: number }
  | { readonly kind: "query"; readonly path: string; readonly lane: Lane; readonly epoch: number }
  | { readonly kind: "enrol"; readonly path: string }
  /** Send a tick then; undefined takes back the last wish. */
  | { readonly kind: "wake"; readonly atMs: number | undefined }
  | { readonly kind: "report"; readonly report: ForwardReport };

/** What an operator should know, one event each. */
export type ForwardReport =
  | ({ readonly event: "path-switch"; readonly framesResent: number } & PathSwitch)
  | { readonly event: "session-open"; readonly path: string; readonly handshakeMs: number }
  | { readonly event: "session-retiring"; readonly path: string; readonly detail: string }
  | { readonly event: "session-lost"; readonly path: string; readonly detail: string; readonly retryInMs: number }
  | {
      readonly event: "session-failed";
      readonly path: string;
      readonly failure: LinkFailure;
      readonly detail: string;
      readonly retryInMs: number;
    }
  | {
      readonly event: "chain-stopped";
      readonly lane: Lane;
      readonly epoch: number;
      readonly failure: LinkFailure | "not-durable";
      readonly detail: string;
      readonly retryInMs: number;
    }
  /** A batch that the buffer names could not be read; it is passed over and tried again later. */
  | {
      readonly event: "batch-unreadable";
      readonly lane: Lane;
      readonly epoch: number;
      readonly seq: number;
      readonly detail: string;
      readonly retryInMs: number;
    }
  | { readonly event: "chain-resumed"; readonly lane: Lane; readonly epoch: number }
  | { readonly event: "collector-busy"; readonly detail: string; readonly retryInMs: number }
  | { readonly event: "enrolment"; readonly state: EnrolmentState | "assumed"; readonly detail: string }
  | {
      readonly event: "stalled";
      readonly lane: Lane;
      readonly epoch: number;
      readonly path: string;
      /** What the watchdog did: sent the lane's requests again, opened the session anew, left the path, or called for help. */
      readonly step: "lane" | "session" | "path" | "alarm";
      readonly withoutReceiptMs: number;
    };

/** What a step sees of the world. */
export interface ForwardInput {
  /** Monotonic. */
  readonly nowMs: number;
  readonly wallMs: number;
  readonly backlog: () => readonly ChainBacklog[];
  readonly random: Random;
  readonly settings: ForwardSettings;
}

export function chainNumber(chain: ChainName): number {
  return chain.epoch * 4 + chain.lane;
}

export function freshSession(settings: ForwardSettings): SessionState {
  return {
    status: "closed",
    openedAtMs: 0,
    retryAtMs: 0,
    hurryAtMs: 0,
    retry: RESTED,
    ended: RESTED,
    sendAfterMs: 0,
    sendRetry: RESTED,
    baseMs: 0,
    lengthMs: 0,
    usualMs: 0,
    answers: 0,
    answeredMs: 0,
    silence: { ms: 0, atMs: 0 },
    trial: undefined,
    succession: undefined,
    rttMs: 0,
    requestBytes: Math.min(settings.requestBytesMax, Math.max(settings.requestBytesMin, settings.requestBytesFirst)),
    unproven: false,
    lastError: undefined,
    trouble: undefined,
    switches: 0,
  };
}

/** `enrols` when the gateway can ask for enrolment; without, uploads go out and the collector decides. */
export function initialForward(
  configs: readonly PathConfig[],
  options: { settings: ForwardSettings; enrols: boolean; usage?: Readonly<Record<string, PathUsage>> | undefined },
): ForwardState {
  return {
    paths: initialPaths(configs, options.usage),
    sessions: new Map(configs.map((config) => [config.name, freshSession(options.settings)])),
    flights: new Map(),
    nextFlight: 1,
    chains: new Map(),
    collector: {
      busyUntilMs: 0,
      busyRetry: RESTED,
      enrolment: options.enrols ? "unknown" : "assumed",
      claimNotTaken: false,
      enrolAsking: false,
      enrolAtMs: 0,
      enrolRetry: RESTED,
    },
    backlogCredit: 0,
    wakeAtMs: undefined,
    stopping: false,
  };
}
