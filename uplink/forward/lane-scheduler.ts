import type { Range, Ranges } from "@paddock/base/ranges.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { ChainName } from "./ports.ts";

/**
 * `live-first`: what was sealed just now goes before what waited through an outage. `oldest-first`: each lane in the
 * order of its chain.
 */
export type ForwardOrder = "live-first" | "oldest-first";

/** `live` was sealed within the live window and belongs to `alarm` or `telemetry`; the rest is `backlog`. */
export type SendKind = "live" | "backlog";

/** A chain as the scheduler sees it. */
export interface ChainView extends ChainName {
  /** Seqs that are stored, not acknowledged and not in flight. */
  readonly sendable: Ranges;
  /** Seqs from here on are live. */
  readonly liveFrom: number;
  /** Mean size of a pending batch, at least 1. */
  readonly bytesPerBatch: number;
  /** Requests of this chain in flight, by kind. */
  readonly inFlight: Readonly<Record<SendKind, number>>;
  /** Monotonic ms at which the newest of them left; 0 without any. */
  readonly sentMs: Readonly<Record<SendKind, number>>;
  /** Monotonic ms before which no small request of a kind follows the newest one that has not failed, so that more goes with it. */
  readonly gatherUntilMs: Readonly<Record<SendKind, number>>;
  /** Whether the backlog has to wait for the collector's receipt, so that nothing is sent that it has. */
  readonly backlogHeld: boolean;
}

export interface Room {
  /** Requests that may still be started. */
  readonly requests: number;
  /** Of these, how many may carry other lanes than alarm. */
  readonly otherRequests: number;
  /** Of those, how many may carry backlog. */
  readonly backlogRequests: number;
  /** Most bytes of one request. */
  readonly requestBytes: number;
  /** Small requests of one chain and kind that may be in flight together; more is coalesced. */
  readonly pipelineDepth: number;
  /** The same for a chain of alarms. */
  readonly alarmDepth: number;
  /** Moving average of the path's round trip. */
  readonly rttMs: number;
  /** Monotonic. */
  readonly nowMs: number;
  readonly lanes: readonly Lane[];
  /** Bytes that the backlog may take before live ones, by its guaranteed share. */
  readonly backlogCredit: number;
}

/** A small request that carries this much or more is followed by the next after GATHER_MS_MAX. */
const GATHER_BYTES = 16 * 1024;
const GATHER_MS_MAX = 20;

export interface Choice extends ChainName {
  readonly kind: SendKind;
  readonly first: number;
  readonly last: number;
}

/**
 * What to send next: alarm, then live telemetry, then backlog (telemetry before bulk), where the backlog goes first
 * when its credit covers a request. Pure.
 */
export function chooseNext(chains: readonly ChainView[], room: Room, order: ForwardOrder): Choice | undefined {
  if (room.requests <= 0) return undefined;
  const admitted = chains.filter((chain) => room.lanes.includes(chain.lane));
  admitted.sort((a, b) => a.lane - b.lane || a.epoch - b.epoch);
  const alarms = admitted.filter((chain) => chain.lane === 0);
  const others = room.otherRequests > 0 ? admitted.filter((chain) => chain.lane !== 0) : [];
  const backlog = (): Choice | undefined =>
    room.backlogRequests > 0 ? firstOf(others, (chain) => takeBacklog(chain, room, order)) : undefined;
  return (
    // An alarm may take the slot that is kept free of backlog, so all of the alarm lane counts as live.
    firstOf(alarms, (chain) => takeLive(chain, room, order) ?? takeBacklog(chain, room, order)) ??
    (room.backlogCredit >= room.requestBytes ? backlog() : undefined) ??
    firstOf(others, (chain) => takeLive(chain, room, order)) ??
    backlog()
  );
}

/** Whether a lane's newest batches go before its older ones; `bulk` has no hurry. */
export function knowsLive(lane: Lane, order: ForwardOrder): boolean {
  return order === "live-first" && lane !== 2;
}

function firstOf<Item, Result>(items: readonly Item[], take: (item: Item) => Result | undefined): Result | undefined {
  for (const item of items) {
    const result = take(item);
    if (result !== undefined) return result;
  }
  return undefined;
}

function takeLive(chain: ChainView, room: Room, order: ForwardOrder): Choice | undefined {
  if (!knowsLive(chain.lane, order)) return undefined;
  const range = chain.sendable.find(([, last]) => last >= chain.liveFrom);
  if (range === undefined) return undefined;
  return offer(chain, room, "live", [Math.max(range[0], chain.liveFrom), range[1]]);
}

function takeBacklog(chain: ChainView, room: Room, order: ForwardOrder): Choice | undefined {
  const range = chain.sendable[0];
  if (range === undefined || chain.backlogHeld) return undefined;
  const splits = knowsLive(chain.lane, order);
  if (splits && range[0] >= chain.liveFrom) return undefined;
  return offer(chain, room, "backlog", [range[0], splits ? Math.min(range[1], chain.liveFrom - 1) : range[1]]);
}

/**
 * Holds back a small request at the growing end of the chain while others of its kind are on their way: what
 * accumulates meanwhile goes with it. A gap does not grow, so it need not wait.
 */
function offer(chain: ChainView, room: Room, kind: SendKind, [first, last]: Range): Choice | undefined {
  const small = (last - first + 1) * chain.bytesPerBatch < room.requestBytes / 2;
  const grows = last >= chain.sendable.at(-1)![1];
  if (small && grows && room.nowMs < pacedUntilMs(chain, room, kind)) return undefined;
  return { lane: chain.lane, epoch: chain.epoch, kind, first, last };
}

/**
 * When the next small request of a chain may follow: the more are on their way, the longer after the newest. In the long
 * run that is a round trip divided by as many as may be, so that they leave evenly instead of all at once and then none
 * for a round trip; and the first few after a pause hardly wait. Nor does it leave before more had the time to go with
 * it, but an alarm. Infinity: not before one of them is answered.
 */
function pacedUntilMs(chain: ChainView, room: Room, kind: SendKind): number {
  const inFlight = chain.inFlight[kind];
  const depth = chain.lane === 0 ? room.alarmDepth : room.pipelineDepth;
  if (inFlight >= depth) return Number.POSITIVE_INFINITY;
  const evenly = chain.sentMs[kind] + (inFlight * room.rttMs) / (depth * depth);
  return chain.lane === 0 ? evenly : Math.max(evenly, chain.gatherUntilMs[kind]);
}

/**
 * How long after a request that carried so many bytes the next small one leaves at the soonest, in ms. Where little comes,
 * hardly at all; at full load requests leave at a steady pace, whatever the answers do, and each carries enough to be worth
 * what a request costs at both ends.
 */
export function gatherMs(bytes: number): number {
  return GATHER_MS_MAX * Math.min(1, bytes / GATHER_BYTES);
}

/** When time alone lets a small request leave that is held back now; undefined when it does not. Pure. */
export function nextPaceMs(chains: readonly ChainView[], room: Room): number | undefined {
  let soonestMs = Number.POSITIVE_INFINITY;
  for (const chain of chains) {
    const hasRoom = room.requests > 0 && (chain.lane === 0 || room.otherRequests > 0);
    if (!hasRoom || chain.sendable.length === 0 || !room.lanes.includes(chain.lane)) continue;
    for (const kind of ["live", "backlog"] as const) {
      const atMs = pacedUntilMs(chain, room, kind);
      if (atMs > room.nowMs) soonestMs = Math.min(soonestMs, atMs);
    }
  }
  return Number.isFinite(soonestMs) ? soonestMs : undefined;
}

/** The credit of the backlog after `bytes` of a kind were sent. `share` of all bytes is guaranteed to the backlog. */
export function creditAfter(credit: number, kind: SendKind, bytes: number, share: number, capBytes: number): number {
  if (kind === "backlog") return Math.max(0, credit - bytes);
  return Math.min(capBytes, credit + (bytes * share) / (1 - share));
}
