import type { WatchedPathState } from "./watched-path.ts";

/** Takes what watching a path measures and costs; the forwarder is one. */
export interface MeterSink {
  /** Share of the packets lost in the last minute, 0 to 1. */
  setLoss(path: string, share: number): void;
  /** Bytes on the wire, both directions, since the last call. */
  addUsage(path: string, bytes: number): void;
}

/** Hands on what the newest reports of a path's sessions say beyond those before. */
export function handOnReadings({ name, watchers }: WatchedPathState, sink: MeterSink): void {
  for (const watcher of watchers) {
    const total = watcher.report?.bytes;
    if (total === undefined) continue;
    const before = watcher.bytesMetered ?? total;
    // A speaker that started again counts from zero.
    const bytes = total < before ? total : total - before;
    watcher.bytesMetered = total;
    if (bytes > 0) sink.addUsage(name, bytes);
  }
  const share = watchers.map(({ report }) => report?.lossLastMinute ?? null).find((loss) => loss !== null);
  // The session from end to end comes first, and loses whatever the first hop loses.
  if (typeof share === "number") sink.setLoss(name, share);
}
