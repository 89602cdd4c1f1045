import type { GatewayStatus } from "@paddock/gateway/status/status.ts";

/** The gateway's counters at one moment, each in frames since its start. */
export interface Counts {
  readonly atMs: number;
  readonly received: number;
  readonly committed: number;
  readonly forwarded: number;
  readonly acknowledged: number;
}

/** Frames per second. */
export type Rates = Readonly<Record<Exclude<keyof Counts, "atMs">, number>>;

export function countsOf({ ingest, lanes, uplinks }: GatewayStatus, atMs: number): Counts {
  return {
    atMs,
    received: ingest.receivedDatagrams,
    committed: sum(lanes.map(({ committedFrames }) => committedFrames)),
    forwarded: sum(uplinks.paths.map(({ sentRecords }) => sentRecords)),
    acknowledged: sum(lanes.map(({ acknowledgedRecords }) => acknowledgedRecords)),
  };
}

export function ratesBetween(before: Counts, after: Counts): Rates {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const rate = (name: keyof Rates): number => Math.max(0, (after[name] - before[name]) / seconds);
  return {
    received: rate("received"),
    committed: rate("committed"),
    forwarded: rate("forwarded"),
    acknowledged: rate("acknowledged"),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
