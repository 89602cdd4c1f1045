import type { SessionReport } from "@paddock/uplink/bfd/speaker-events.ts";
import type { PathWatchStatus } from "../paths/path-facts.ts";
import type { GatewayStatus, LaneStatus, PathStatus } from "../status/status.ts";
import type { Family, HistogramSnapshot, Sample } from "./openmetrics.ts";

/**
 * Every metric of the gateway. Names are part of the interface: docs/operations.md lists them. A frame is first received,
 * then committed (durable and chained), then forwarded, then acknowledged (named in a receipt).
 */
export function gatewayMetrics(status: GatewayStatus, commitSeconds: HistogramSnapshot): Family[] {
  const { ingest, lanes, buffer, uplinks } = status;
  const perLane = (value: (lane: LaneStatus) => number): Sample[] =>
    lanes.map((lane) => [{ lane: lane.lane }, value(lane)]);
  const perPath = (value: (path: PathStatus) => number): Sample[] =>
    uplinks.paths.map((path) => [{ path: path.name }, value(path)]);
  return [
    counter("received_datagrams", "Datagrams taken from the sockets.", [[{}, ingest.receivedDatagrams]]),
    bytes("counter", "received_bytes", "Bytes of these datagrams.", [[{}, ingest.receivedBytes]]),
    counter(
      "received_frames",
      "Valid frames taken, by lane.",
      perLane((lane) => lane.acceptedFrames),
    ),
    counter(
      "refused_messages",
      "Messages refused at the door, by reason.",
      Object.entries(ingest.refused).map(([reason, count]) => [{ reason }, count]),
    ),
    counter("duplicate_frames", "Copies of frames, by how they were recognised.", [
      [{ by: "message" }, ingest.duplicateFrames],
      [{ by: "sequence" }, ingest.duplicateSequences],
    ]),
    counter("unsent_answers", "Answers that did not leave, by reason: the sender's port is 0, or the socket failed.", [
      [{ reason: "nobody" }, ingest.answersUnanswerable],
      [{ reason: "socket" }, ingest.answersFailed],
    ]),
    counter("failed_datagrams", "Datagrams that a fault of the gateway's own kept from being handled.", [
      [{}, ingest.failedDatagrams],
    ]),
    counter("kernel_dropped_datagrams", "Datagrams that the kernel dropped for want of receive buffer.", [
      [{}, ingest.kernelDrops],
    ]),
    bytes("gauge", "receive_buffer_bytes", "Receive buffer granted by the kernel, the smallest of all sockets.", [
      [{}, ingest.receiveBufferBytes],
    ]),
    counter(
      "committed_frames",
      "Frames made durable and chained.",
      perLane((lane) => lane.committedFrames),
    ),
    counter(
      "committed_batches",
      "Batches made durable and chained.",
      perLane((lane) => lane.committedBatches),
    ),
    bytes(
      "counter",
      "committed_bytes",
      "Payload bytes made durable.",
      perLane((lane) => lane.committedBytes),
    ),
    {
      ...named("commit_duration_seconds", "From the first frame of a batch to its synced write."),
      type: "histogram",
      unit: "seconds",
      histogram: commitSeconds,
    },
    counter("refused_frames", "Frames refused for want of room, by lane and reason.", [
      ...lanes.map((lane): Sample => [{ lane: lane.lane, reason: "store-full" }, lane.refusedStoreFull]),
      ...lanes.map((lane): Sample => [{ lane: lane.lane, reason: "queue-full" }, lane.refusedQueueFull]),
    ]),
    counter(
      "evicted_records",
      "Records given up for want of room; a loss record in the chain names them.",
      perLane((lane) => lane.evictedRecords),
    ),
    bytes(
      "counter",
      "evicted_bytes",
      "Payload bytes given up.",
      perLane((lane) => lane.evictedBytes),
    ),
    counter(
      "forwarded_records",
      "Records sent and receipted, by path; a second copy counts again.",
      perPath((path) => path.sentRecords),
    ),
    counter(
      "acknowledged_records",
      "Records that a receipt of the collector names.",
      perLane((lane) => lane.acknowledgedRecords),
    ),
    gauge(
      "pending_records",
      "Records stored and in no receipt.",
      perLane((lane) => lane.pendingRecords),
    ),
    bytes(
      "gauge",
      "pending_bytes",
      "Bytes of these.",
      perLane((lane) => lane.pendingBytes),
    ),
    gauge(
      "chain_head_seq",
      "Seq of the newest durable batch; -1 while the chain is empty.",
      perLane((lane) => lane.headSeq ?? -1),
    ),
    gauge(
      "chain_epoch",
      "Epoch of the chain.",
      perLane((lane) => lane.epoch),
    ),
    gauge(
      "lane_full",
      "1 while new frames are refused for want of room.",
      perLane((lane) => Number(lane.full)),
    ),
    bytes("gauge", "store_used_bytes", "Bytes of batches in the store.", [[{}, buffer.usedBytes]]),
    bytes("gauge", "store_limit_bytes", "Bytes of batches that the store may hold.", [[{}, buffer.maxBytes]]),
    bytes("gauge", "store_min_free_bytes", "Bytes that stay free on the disk, for others than the store.", [
      [{}, buffer.minFreeBytes],
    ]),
    bytes("gauge", "disk_free_bytes", "Free bytes of the disk.", [[{}, buffer.freeDiskBytes]]),
    ...diskWear(status),
    gauge(
      "path_active",
      "1 for the path that carries traffic.",
      perPath((path) => Number(path.role === "active")),
    ),
    gauge(
      "path_session_open",
      "1 while there is a session with the collector.",
      perPath((path) => Number(path.session === "open")),
    ),
    ...pathWatches(uplinks),
    bytes(
      "counter",
      "path_used_bytes",
      "Bytes of sessions with the collector on the wire, in both directions.",
      perPath((path) => path.usedBytes),
    ),
    bytes(
      "gauge",
      "path_budget_left_bytes",
      "Of a metered path: what is left until the next billing day, BFD's packets taken off.",
      uplinks.paths.flatMap(({ name, metered }): Sample[] =>
        metered === null ? [] : [[{ path: name }, metered.leftBytes]],
      ),
    ),
    bytes(
      "gauge",
      "path_budget_bytes",
      "Of a metered path: what its plan holds from one billing day to the next.",
      uplinks.paths.flatMap(({ name, metered }): Sample[] =>
        metered === null ? [] : [[{ path: name }, metered.budgetBytes]],
      ),
    ),
    ...(uplinks.lastReceiptS === null
      ? []
      : [seconds("last_receipt_age_seconds", "Age of the newest receipt.", uplinks.lastReceiptS)]),
    seconds(
      "event_loop_delay_p99_seconds",
      "99th percentile over the last minute.",
      status.process.eventLoopDelayP99Ms / 1000,
    ),
    seconds("event_loop_delay_max_seconds", "Maximum over the last minute.", status.process.eventLoopDelayMaxMs / 1000),
    bytes("gauge", "resident_memory_bytes", "Resident set size of the process.", [[{}, status.process.rssBytes]]),
    seconds("uptime_seconds", "Since the process started.", status.uptimeS),
    gauge("boot_count", "Boots of this machine so far.", [[{}, status.boot]]),
    gauge("clock_synchronised", "1 while the wall clock is known to be right.", [
      [{}, Number(status.clock.quality === "synchronised")],
    ]),
  ];
}

/** Only of paths that BFD watches. */
function pathWatches({ speaker, paths }: GatewayStatus["uplinks"]): Family[] {
  if (speaker === null) return [];
  const watched = paths.flatMap(({ name, liveness, watch }) => (watch === null ? [] : [{ name, liveness, watch }]));
  const detected = watched.flatMap(({ name, watch }): Sample[] =>
    watch.detectedInMs === null ? [] : [[{ path: name }, watch.detectedInMs / 1000]],
  );
  return [
    gauge("bfd_speaker_connected", "1 while the BFD speaker can be reached.", [[{}, Number(speaker === "connected")]]),
    gauge(
      "path_liveness",
      "What BFD says: 1 up, 0 down, -1 unknown.",
      watched.map(({ name, liveness }) => [{ path: name }, { up: 1, down: 0, unknown: -1 }[liveness]]),
    ),
    counter(
      "path_downs",
      "Times that BFD found the path down.",
      watched.map(({ name, watch }) => [{ path: name }, watch.downs]),
    ),
    ...sessionWatches(watched),
    {
      ...named("path_detected_seconds", "Of the newest Down: from the last packet to the verdict."),
      unit: "seconds",
      type: "gauge",
      samples: detected,
    },
  ];
}

/** Of each session that the speaker tells about. */
function sessionWatches(paths: readonly { readonly name: string; readonly watch: PathWatchStatus }[]): Family[] {
  const told = paths.flatMap(({ name, watch }) =>
    watch.sessions.flatMap(({ scope, report }) => (report === null ? [] : [{ labels: { path: name, scope }, report }])),
  );
  const each = (value: (report: SessionReport) => number | null): Sample[] =>
    told.flatMap(({ labels, report }): Sample[] => {
      const found = value(report);
      return found === null ? [] : [[labels, found]];
    });
  return [
    gauge(
      "bfd_session_up",
      "1 while the session is Up, by path and scope.",
      each(({ state }) => Number(state === "up")),
    ),
    {
      ...named("bfd_session_loss_ratio", "Packets due in the last minute that did not come."),
      unit: "ratio",
      type: "gauge",
      samples: each(({ lossLastMinute }) => lossLastMinute),
    },
    {
      ...named("bfd_session_round_trip_seconds", "Where the far end sends packets back."),
      unit: "seconds",
      type: "gauge",
      samples: each(({ rttMs }) => (rttMs === null ? null : rttMs / 1000)),
    },
    bytes(
      "counter",
      "bfd_session_bytes",
      "Bytes on the wire in both directions, since the speaker started.",
      each((report) => report.bytes),
    ),
  ];
}

function diskWear({ process }: GatewayStatus): Family[] {
  if (process.writtenBytes === null) return [];
  const written = bytes("counter", "disk_written_bytes", "Bytes that the process caused to be written to storage.", [
    [{}, process.writtenBytes],
  ]);
  if (process.writeAmplification === null) return [written];
  const help = "Bytes written to storage per payload byte made durable.";
  return [
    written,
    {
      ...named("write_amplification_ratio", help),
      unit: "ratio",
      type: "gauge",
      samples: [[{}, process.writeAmplification]],
    },
  ];
}

function named(name: string, help: string): { readonly name: string; readonly help: string } {
  return { name: `paddock_gateway_${name}`, help };
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { ...named(name, help), type: "counter", samples };
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { ...named(name, help), type: "gauge", samples };
}

function bytes(type: "counter" | "gauge", name: string, help: string, samples: readonly Sample[]): Family {
  return { ...named(name, help), unit: "bytes", type, samples };
}

function seconds(name: string, help: string, value: number): Family {
  return { ...named(name, help), unit: "seconds", type: "gauge", samples: [[{}, value]] };
}
