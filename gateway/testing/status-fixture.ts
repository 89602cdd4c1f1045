import { LANES } from "@paddock/wire/lanes.ts";
import type { GatewayStatus, LaneStatus } from "../status/status.ts";

/** Replaces parts of parts. */
type Patch<Part> = {
  readonly [Key in keyof Part]?: Part[Key] extends readonly unknown[] ? Part[Key] : Partial<Part[Key]>;
};

/** A gateway that forwards live and wants nothing, with some parts replaced. */
export function gatewayStatus(patch: Patch<GatewayStatus> = {}): GatewayStatus {
  const healthy: GatewayStatus = {
    id: "ab".repeat(32),
    label: "north fence",
    pid: 4711,
    uptimeS: 3600,
    boot: 3,
    clock: { quality: "synchronised", wallMs: Date.UTC(2026, 5, 1) },
    listening: ["[::]:5683"],
    stopping: false,
    notices: [],
    ingest: {
      receivedDatagrams: 1000,
      receivedBytes: 100_000,
      acceptedFramesPerS: 100,
      refused: { senml: 2, rate: 0 },
      duplicateFrames: 3,
      duplicateSequences: 1,
      answersUnanswerable: 0,
      answersFailed: 0,
      sensorsProblems: [],
      failedDatagrams: 0,
      kernelDrops: 0,
      receiveBufferBytes: 8_388_608,
      receiveBufferWantedBytes: 4_194_304,
    },
    lanes: LANES.map((_, index) => laneStatus(index)),
    buffer: {
      usedBytes: 50_000,
      maxBytes: 1_000_000_000,
      freeDiskBytes: 20_000_000_000,
      minFreeBytes: 64_000_000,
      pendingRecords: 12,
      pendingBytes: 1500,
      drainRecordsPerS: 0,
    },
    uplinks: {
      configured: true,
      enrolment: "approved",
      claimNotTaken: false,
      active: "fibre",
      standby: null,
      withoutPathS: null,
      lastReceiptS: 0.2,
      paths: [
        {
          name: "fibre",
          endpoint: "https://[::1]:8443",
          source: null,
          sourceAddress: null,
          route: null,
          role: "active",
          standing: "healthy",
          why: "preferred and sound",
          liveness: "up",
          watch: null,
          session: "open",
          roundTripMs: 4.2,
          requestsInFlight: 1,
          bytesInFlight: 1500,
          flapPenalty: 0,
          suppressedForS: null,
          holdDownS: null,
          metered: null,
          sentRecords: 988,
          usedBytes: 120_000,
          lastReceiptS: 0.2,
          lastError: null,
          trouble: null,
          transitions: [],
        },
      ],
      stopped: [],
      speaker: null,
      switches: [],
    },
    process: {
      rssBytes: 80_000_000,
      eventLoopDelayP99Ms: 1.5,
      eventLoopDelayMaxMs: 9,
      writtenBytes: 210_000,
      writeAmplification: 2.1,
    },
  };
  const result: Record<string, unknown> = { ...healthy };
  for (const [key, part] of Object.entries(patch)) {
    const whole = result[key];
    const merges = typeof part === "object" && part !== null && !Array.isArray(part);
    result[key] = merges ? Object.assign({}, whole, part) : part;
  }
  return result as unknown as GatewayStatus;
}

/** Index into LANES. */
export function laneStatus(index: number, patch: Partial<LaneStatus> = {}): LaneStatus {
  return {
    lane: LANES[index]!,
    epoch: 0,
    headSeq: 41,
    acceptedFrames: 1000,
    committedFrames: 1000,
    committedBatches: 42,
    committedBytes: 100_000,
    acknowledgedRecords: 996,
    pendingRecords: 4,
    pendingBytes: 500,
    storedBytes: 16_000,
    pressure: index === 0 ? "refuse-new" : "evict-oldest",
    quotaShare: [0.2, 0.5, 0.3][index]!,
    full: false,
    refusedStoreFull: 0,
    refusedQueueFull: 0,
    evictedRecords: 0,
    evictedBytes: 0,
    ...patch,
  };
}
