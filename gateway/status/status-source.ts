import { subtract } from "@paddock/base/ranges.ts";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { ChainSummary } from "@paddock/store/types.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { LANES, laneName } from "@paddock/wire/lanes.ts";
import type { ClockQualitySource } from "../commit/ports.ts";
import type { CommitLoop } from "../commit/commit-loop.ts";
import { formatAddress, type GatewayConfig } from "../config.ts";
import type { Ingest } from "../ingest/ingest.ts";
import type { SensorsSource } from "../ingest/sensors-source.ts";
import type { UdpListeners } from "../ingest/udp-listener.ts";
import { RECV_BUFFER_BYTES } from "../ingest/udp-socket.ts";
import { gatewayMetrics } from "../metrics/gateway-metrics.ts";
import { formatOpenMetrics, Histogram } from "../metrics/openmetrics.ts";
import { LoopDelayMeter, readWrittenBytes } from "../metrics/process-stats.ts";
import { RateWindow } from "../metrics/rate-window.ts";
import type { Uplinks } from "../paths/uplinks.ts";
import type { BufferReport, StoredChain } from "./buffer-report.ts";
import { verifyChains } from "./chain-report.ts";
import type { Answerers } from "./status-protocol.ts";
import type { BufferStatus, GatewayStatus, IngestStatus, LaneStatus, UplinksStatus } from "./status.ts";
import { NO_UPLINKS, uplinksStatus } from "./uplinks-status.ts";
import { judge, unreadiness } from "./verdict.ts";

const SAMPLE_MS = 1000;
const CLOCK_WORDS = ["unset", "holdover", "synchronised"] as const;
/** Seconds. Synced writes take from a fraction of a millisecond (NVMe) to some hundred (SD cards). */
const COMMIT_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export interface StatusSourceOptions {
  readonly config: GatewayConfig;
  readonly identity: SigningIdentity;
  readonly boot: number;
  readonly clock: Clock;
  readonly clockQuality: ClockQualitySource;
  readonly store: ChainStore;
  readonly commitLoop: CommitLoop;
  readonly ingest: Ingest;
  readonly sensorsFile: Pick<SensorsSource, "problems"> | undefined;
  readonly listeners: UdpListeners;
  readonly uplinks: Uplinks | undefined;
}

/** Collects what the parts of the running gateway count. */
export class StatusSource {
  readonly #parts: StatusSourceOptions;
  readonly #startedUs: number;
  readonly #rates = new RateWindow<"accepted" | "committed" | "acknowledged" | "pending" | "written">();
  readonly #commitSeconds = new Histogram(COMMIT_BOUNDS_S);
  readonly #loopDelay: LoopDelayMeter;
  /** By lane: records that waited for a receipt when the process started. */
  readonly #pendingAtStart: readonly number[];
  #withoutPathSinceUs: number | undefined;
  #timer: Timer | undefined;
  #writtenBytes: number | null = null;
  #kernelDrops = 0;
  stopping = false;

  constructor(parts: StatusSourceOptions) {
    this.#parts = parts;
    this.#startedUs = parts.clock.monotonicUs();
    this.#loopDelay = new LoopDelayMeter(parts.clock);
    this.#pendingAtStart = LANES.map((_, lane) => this.#laneSum(lane, (chain) => chain.unacknowledgedRecords));
    parts.commitLoop.onSealed((_lane, _epoch, _seq, waitedUs) => this.#commitSeconds.observe(waitedUs / 1e6));
    void this.#sample();
  }

  stop(): void {
    this.stopping = true;
    this.#timer?.cancel();
    this.#loopDelay.stop();
  }

  async status(): Promise<GatewayStatus> {
    const { config, identity, boot, clock, clockQuality, listeners, uplinks } = this.#parts;
    await Promise.all([this.#refresh(), uplinks?.refresh()]);
    const lanes = this.#lanes();
    const committedBytes = lanes.reduce((sum, lane) => sum + lane.committedBytes, 0);
    const { p99Ms, maxMs } = this.#loopDelay.read();
    const written = this.#writtenBytes;
    return {
      id: Buffer.from(identity.id).toString("hex"),
      label: config.collector?.label ?? "",
      pid: process.pid,
      uptimeS: (clock.monotonicUs() - this.#startedUs) / 1e6,
      boot,
      clock: { quality: CLOCK_WORDS[clockQuality.quality()], wallMs: clock.wallMs() },
      listening: listeners.addresses().map(({ address, port }) => formatAddress(address, port)),
      stopping: this.stopping,
      notices: config.notices,
      ingest: this.#ingest(),
      lanes,
      buffer: this.#buffer(),
      uplinks: this.#uplinks(),
      process: {
        rssBytes: process.memoryUsage.rss(),
        eventLoopDelayP99Ms: p99Ms,
        eventLoopDelayMaxMs: maxMs,
        writtenBytes: written,
        writeAmplification: written === null || committedBytes === 0 ? null : written / committedBytes,
      },
    };
  }

  async buffer(): Promise<BufferReport> {
    const status = await this.status();
    const { store } = this.#parts;
    const { level, sentence } = judge(status);
    const written = this.#rates.perSecond("written");
    return {
      ...status.buffer,
      chains: await Promise.all(store.chains().map((chain) => this.#storedChain(chain))),
      committedBytesPerS: this.#rates.perSecond("committed"),
      acknowledgedRecordsPerS: this.#rates.perSecond("acknowledged"),
      stalledBy: level === "ok" || status.buffer.pendingRecords === 0 ? null : sentence,
      writtenBytesPerDay: status.process.writtenBytes === null ? null : written * 86_400,
    };
  }

  async metrics(): Promise<string> {
    return formatOpenMetrics(gatewayMetrics(await this.status(), this.#commitSeconds.snapshot()));
  }

  /** Why no frames are taken, or not all; undefined while they are. */
  unready(): string | undefined {
    return unreadiness({ stopping: this.stopping, lanes: this.#lanes(), buffer: this.#buffer() });
  }

  /** The functions behind the status socket. */
  answerers(): Answerers {
    const { store, identity, ingest, clock } = this.#parts;
    return {
      status: () => this.status(),
      buffer: () => this.buffer(),
      metrics: () => this.metrics(),
      sensors: async () => ({ nowUs: clock.monotonicUs(), senders: ingest.senders() }),
      chain: ({ lane, from, to }) => verifyChains(store, identity.publicKey, { lane, from, to }),
    };
  }

  #lanes(): LaneStatus[] {
    const { commitLoop, config, ingest } = this.#parts;
    return commitLoop.lanes().map(({ lane, epoch, head, shortage, ...counted }) => {
      const pendingRecords = this.#laneSum(lane, (chain) => chain.unacknowledgedRecords);
      const everPending = this.#pendingAtStart[lane]! + counted.committedRecords;
      return {
        lane: laneName(lane),
        epoch,
        headSeq: head ?? null,
        acceptedFrames: ingest.counters.accepted[laneName(lane)],
        committedFrames: counted.committedFrames,
        committedBatches: counted.committedBatches,
        committedBytes: counted.committedBytes,
        acknowledgedRecords: Math.max(0, everPending - pendingRecords - counted.evictedRecords),
        pendingRecords,
        pendingBytes: this.#laneSum(lane, (chain) => chain.unacknowledgedBytes),
        storedBytes: this.#laneSum(lane, (chain) => chain.bytes),
        pressure: config.lanes[laneName(lane)].pressure,
        quotaShare: config.lanes[laneName(lane)].quotaShare,
        full: shortage !== undefined,
        refusedStoreFull: counted.refusedStoreFull,
        refusedQueueFull: counted.refusedQueueFull,
        evictedRecords: counted.evictedRecords,
        evictedBytes: counted.evictedBytes,
      };
    });
  }

  #ingest(): IngestStatus {
    const { counters } = this.#parts.ingest;
    const sockets = this.#parts.listeners.addresses();
    return {
      receivedDatagrams: counters.datagrams,
      receivedBytes: counters.datagramBytes,
      acceptedFramesPerS: this.#rates.perSecond("accepted"),
      refused: counters.refused,
      duplicateFrames: counters.duplicates,
      duplicateSequences: counters.sequenceDuplicates,
      answersUnanswerable: counters.unanswerable,
      answersFailed: counters.sendErrors,
      sensorsProblems: this.#parts.sensorsFile?.problems ?? [],
      failedDatagrams: counters.handlerFailures,
      kernelDrops: this.#kernelDrops,
      receiveBufferBytes: Math.min(...sockets.map(({ recvBufferBytes }) => recvBufferBytes)),
      receiveBufferWantedBytes: RECV_BUFFER_BYTES,
    };
  }

  #buffer(): BufferStatus {
    const usage = this.#parts.store.usage();
    return {
      usedBytes: usage.bytes,
      maxBytes: usage.maxBytes,
      freeDiskBytes: usage.freeBytes,
      minFreeBytes: usage.minFreeBytes,
      pendingRecords: usage.unacknowledgedRecords,
      pendingBytes: usage.unacknowledgedBytes,
      drainRecordsPerS: -this.#rates.perSecond("pending"),
    };
  }

  #uplinks(): UplinksStatus {
    const { uplinks, clock } = this.#parts;
    if (uplinks === undefined) return NO_UPLINKS;
    const status = uplinks.forwarder.status();
    const nowUs = clock.monotonicUs();
    if (status.active !== undefined) this.#withoutPathSinceUs = undefined;
    else this.#withoutPathSinceUs ??= nowUs;
    const since = this.#withoutPathSinceUs;
    return uplinksStatus(status, uplinks, since === undefined ? null : (nowUs - since) / 1e6, clock.wallMs());
  }

  async #storedChain(chain: ChainSummary): Promise<StoredChain> {
    const { id, head, held, evicted, acknowledged, bytes, records } = chain;
    const first = subtract(held, acknowledged)[0]?.[0];
    const [oldest] = first === undefined ? [] : await this.#parts.store.readHeaders(id, first, first);
    const decoded = oldest === undefined ? undefined : decodeHeader(oldest.header);
    return {
      lane: laneName(id.lane),
      epoch: id.epoch,
      headSeq: head?.seq ?? null,
      headHash: head === undefined ? null : Buffer.from(head.hash).toString("hex"),
      held,
      evicted,
      acknowledged,
      bytes,
      records,
      pendingBytes: chain.unacknowledgedBytes,
      pendingRecords: chain.unacknowledgedRecords,
      oldestPending:
        first === undefined || decoded?.ok !== true
          ? null
          : { seq: first, wallMs: decoded.value.position.wall, clock: decoded.value.position.clock },
    };
  }

  #laneSum(lane: number, value: (chain: ChainSummary) => number): number {
    return this.#parts.store.chains().reduce((sum, chain) => (chain.id.lane === lane ? sum + value(chain) : sum), 0);
  }

  async #sample(): Promise<void> {
    await this.#refresh();
    if (this.stopping) return;
    const { clock, ingest } = this.#parts;
    const lanes = this.#lanes();
    const sum = (value: (lane: LaneStatus) => number): number => lanes.reduce((total, lane) => total + value(lane), 0);
    this.#rates.sample(clock.monotonicUs() / 1000, {
      accepted: Object.values(ingest.counters.accepted).reduce((total, count) => total + count, 0),
      committed: sum((lane) => lane.committedBytes),
      acknowledged: sum((lane) => lane.acknowledgedRecords),
      pending: sum((lane) => lane.pendingRecords),
      written: this.#writtenBytes ?? 0,
    });
    this.#uplinks();
    this.#timer = clock.after(SAMPLE_MS, () => void this.#sample());
  }

  async #refresh(): Promise<void> {
    const [written, drops] = await Promise.all([readWrittenBytes(), this.#parts.listeners.kernelDrops()]);
    this.#writtenBytes = written;
    this.#kernelDrops = drops ?? 0;
  }
}
