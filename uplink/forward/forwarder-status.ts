import { countOf } from "@paddock/base/ranges.ts";
import { laneName, type LaneName } from "@paddock/wire/lanes.ts";
import { penaltyAt } from "../paths/flap-penalty.ts";
import { budgetLeft, nextBillingMonth } from "../paths/metered-budget.ts";
import { pathVerdicts, type PathsNow } from "../paths/path-policy.ts";
import { explainFailure, type PathTrouble } from "../paths/path-trouble.ts";
import type { PathVerdict } from "../paths/path-state.ts";
import {
  chainNumber,
  type CollectorState,
  type ForwardReport,
  type ForwardSettings,
  type ForwardState,
  type SessionState,
} from "./forward-state.ts";
import type { ChainBacklog } from "./ports.ts";
import type { Liveness } from "../paths/path-config.ts";

/** What went over a path since the forwarder started. */
export interface PathCounters {
  batches: number;
  records: number;
  /** On the wire, both directions, over all its sessions. */
  bytes: number;
}

export interface PathStatus extends PathVerdict {
  readonly source: string | undefined;
  readonly endpoint: string;
  readonly liveness: Liveness;
  readonly session: SessionState["status"];
  /** Moving average of request to receipt over small requests, ms; undefined without a session. */
  readonly rttMs: number | undefined;
  readonly requestsInFlight: number;
  readonly bytesInFlight: number;
  readonly delivered: Readonly<PathCounters>;
  /** Ms since the last receipt; undefined when there was none. */
  readonly lastReceiptAgeMs: number | undefined;
  readonly lastError: string | undefined;
  /** Why it is not usable, since when, and what to do; undefined while nothing is known to be wrong. */
  readonly trouble: PathTrouble | undefined;
  /** How often it became the one that carries traffic. */
  readonly switches: number;
  readonly flapPenalty: number;
  readonly metered:
    | {
        readonly usedBytes: number;
        readonly leftBytes: number;
        readonly budgetBytes: number;
        /** Unix ms of the next billing day. */
        readonly resetsAtMs: number;
      }
    | undefined;
}

export interface ChainStatus {
  readonly lane: LaneName;
  readonly epoch: number;
  readonly pendingBatches: number;
  readonly pendingBytes: number;
  readonly pendingRecords: number;
  readonly requestsInFlight: number;
  /** Why the collector does not take it; undefined while it does. */
  readonly stoppedWhy: string | undefined;
}

export interface ForwarderStatus {
  readonly active: string | undefined;
  readonly standby: string | undefined;
  readonly paths: readonly PathStatus[];
  readonly chains: readonly ChainStatus[];
  readonly enrolment: CollectorState["enrolment"];
  /** The collector did not take the claim code. */
  readonly claimNotTaken: boolean;
  /** How long the collector asked to be left alone, ms; 0 when it did not. */
  readonly busyForMs: number;
  readonly lastReceiptAgeMs: number | undefined;
  /** The last path switches, newest first, with their wall time in Unix ms. */
  readonly switches: readonly (Extract<ForwardReport, { event: "path-switch" }> & { readonly wallMs: number })[];
}

export function statusOf(
  state: ForwardState,
  backlog: readonly ChainBacklog[],
  counters: ReadonlyMap<string, PathCounters>,
  switches: ForwarderStatus["switches"],
  now: PathsNow,
  settings: ForwardSettings,
): ForwarderStatus {
  const flights = [...state.flights.values()].filter((flight) => flight.stage !== "delivered");
  const verdicts = pathVerdicts(state.paths, now, settings.paths);
  const paths = state.paths.paths.map((path, index): PathStatus => {
    const { name, source, endpoint, metered } = path.config;
    const session = state.sessions.get(name)!;
    const own = flights.filter((flight) => flight.path === name);
    return {
      ...verdicts[index]!,
      source,
      endpoint,
      liveness: path.liveness,
      session: session.status,
      rttMs: session.status === "open" ? session.rttMs : undefined,
      requestsInFlight: own.length,
      bytesInFlight: own.reduce((sum, flight) => sum + flight.bytes, 0),
      delivered: { ...counters.get(name)! },
      lastReceiptAgeMs: path.lastReceiptMs === undefined ? undefined : now.nowMs - path.lastReceiptMs,
      lastError: session.lastError,
      trouble:
        session.trouble === undefined
          ? undefined
          : { ...explainFailure(path.config, session.trouble.detail), forMs: now.nowMs - session.trouble.sinceMs },
      switches: session.switches,
      flapPenalty: Math.round(penaltyAt(path.flaps, now.nowMs, settings.paths.flaps)),
      metered:
        metered === undefined
          ? undefined
          : {
              usedBytes: path.usage.bytes,
              leftBytes: budgetLeft(path.usage, metered),
              budgetBytes: metered.bytesPerMonth,
              resetsAtMs: nextBillingMonth(path.usage.monthStartMs),
            },
    };
  });
  const ages = paths.map((path) => path.lastReceiptAgeMs).filter((age) => age !== undefined);
  return {
    active: state.paths.active,
    standby: state.paths.standby,
    paths,
    chains: backlog.map((chain): ChainStatus => ({
      lane: laneName(chain.lane),
      epoch: chain.epoch,
      pendingBatches: countOf(chain.pending),
      pendingBytes: chain.bytes,
      pendingRecords: chain.records,
      requestsInFlight: flights.filter((flight) => chainNumber(flight) === chainNumber(chain)).length,
      stoppedWhy: state.chains.get(chainNumber(chain))?.stoppedWhy,
    })),
    enrolment: state.collector.enrolment,
    claimNotTaken: state.collector.claimNotTaken,
    busyForMs: Math.max(0, state.collector.busyUntilMs - now.nowMs),
    lastReceiptAgeMs: ages.length === 0 ? undefined : Math.min(...ages),
    switches,
  };
}
