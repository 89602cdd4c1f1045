import { hash } from "node:crypto";
import { PaddockError } from "@paddock/base/errors.ts";
import { decodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { SENT_LEDGER_VERSION, type SentFrame, type SentHeader, type SentSummary } from "../ledger/sent-line.ts";
import { isPressure } from "../ledger/sent-ledger.ts";
import { Evictions } from "./evictions.ts";
import { HashTable, NumberList } from "./hash-table.ts";
import { parseLine } from "./lines.ts";
import type { Example, Percentiles, VerifyReport } from "./report.ts";

/** One line of the collector's log (docs/protocol.md §3.4); a line of an evicted batch has `evicted` in place of a frame. */
interface LogLine {
  readonly offset?: number;
  readonly received?: number;
  readonly gateway?: string;
  readonly lane?: string;
  readonly epoch?: number;
  readonly source?: string;
  readonly format?: number;
  readonly at?: number;
  readonly frame?: string;
  readonly clock?: string;
  /** In place of a frame: how many records the line stands for. */
  readonly evicted?: number;
  readonly damaged?: number;
  readonly lost?: number;
  readonly undecodable?: number;
}

export interface VerificationOptions {
  /** How far the collector's clock may be behind the simulator's, in ms: a record received earlier is an older run's. */
  readonly clockSkewMs?: number;
  /** Whether a relay or NAT stands between sensors and gateway, which then sees other endpoints than the sensors have. */
  readonly relayed?: boolean;
}

/** Two machines that keep their clocks by NTP are closer than this; two runs with one seed lie further apart. */
const CLOCK_SKEW_MS = 2000;

/** Frames whose details a report shows, of each kind of trouble. */
const EXAMPLES_MAX = 20;

/** What the sensors know of a frame, as a small number: the strongest of all lines with the same bytes. */
const MAYBE = 0;
const REFUSED = 1;
/** A good frame that was turned away under pressure. */
const TURNED_AWAY = 2;
const STORED = 3;

/**
 * Joins what was sent with what the collector keeps, by the SHA-256 of the frames. First every line of the sent
 * ledger, then every line of the log; memory grows with the frames sent, not with the log.
 */
export class Verification {
  readonly #table = new HashTable();
  readonly #numbers = new NumberList();
  readonly #sentAtMs = new NumberList();
  readonly #states: number[] = [];
  readonly #lanes: string[] = [];
  readonly #sensors: string[] = [];
  readonly #sources: string[] = [];
  readonly #formats = new NumberList();
  /** Gateways whose log has frames of ours. */
  readonly #gateways = new Set<string>();
  readonly #clockSkewMs: number;
  readonly #relayed: boolean;
  /** Unix ms at which the run began, less the clock skew. */
  #begunMs = Number.NEGATIVE_INFINITY;
  readonly #timesInLog = new NumberList();
  readonly #lateMs = new NumberList();
  readonly #stampedMs = new NumberList();
  readonly #ours = new Set<string>();
  readonly #evictions = new Evictions();
  readonly #examples: Example[] = [];
  readonly #counts = {
    frames: 0,
    good: 0,
    bad: 0,
    acknowledged: 0,
    badAcknowledged: 0,
    goodRefused: 0,
    turnedAway: 0,
    records: 0,
    received: 0,
    duplicate: 0,
    altered: 0,
    misfiled: 0,
    older: 0,
    damaged: 0,
    foreign: 0,
    refusedButStored: 0,
    unreadableLines: 0,
  };
  #header: SentHeader | undefined;
  #summary: SentSummary["summary"] | undefined;

  constructor({ clockSkewMs = CLOCK_SKEW_MS, relayed = false }: VerificationOptions = {}) {
    this.#clockSkewMs = clockSkewMs;
    this.#relayed = relayed;
  }

  /** Takes one line of the sent ledger. Throws USAGE when the ledger is of another version. */
  sent(line: string): void {
    const value = parseLine(line);
    if (value === undefined) this.#counts.unreadableLines++;
    else if ("sha256" in value) this.#sentFrame(value as unknown as SentFrame);
    else if ("endpoint" in value) this.#ours.add(String(value["endpoint"]));
    else if ("summary" in value) this.#summary = (value as unknown as SentSummary).summary;
    else if ("paddock-sent" in value) {
      this.#header = value as unknown as SentHeader;
      const { "paddock-sent": version, startedMs } = this.#header;
      if ((version as number) !== SENT_LEDGER_VERSION) {
        throw new PaddockError(
          "USAGE",
          `The sent ledger has version ${version}, this program reads version ${SENT_LEDGER_VERSION}; verify with the program that wrote it.`,
        );
      }
      this.#begunMs = startedMs - this.#clockSkewMs;
      for (const sensor of this.#header.keyedSensors) this.#ours.add(sensor);
    } else this.#counts.unreadableLines++;
  }

  /** Takes one line of the collector's log. */
  logged(line: string): void {
    const value = parseLine(line) as LogLine | undefined;
    if (value === undefined) {
      this.#counts.unreadableLines++;
      return;
    }
    if (typeof value.evicted === "number") {
      if (this.#isOfThisRun(value)) {
        this.#evictions.evictedBatch(value.gateway, value.lane, value.epoch, value.evicted);
      }
      return;
    }
    const damaged = value.damaged ?? value.lost ?? value.undecodable;
    if (typeof damaged === "number") {
      this.#counts.damaged += damaged;
      this.#example("damaged, lost or undecodable in the log", undefined, value.lane ?? "", `offset ${value.offset}`);
      return;
    }
    if (typeof value.frame !== "string") {
      this.#counts.unreadableLines++;
      return;
    }
    const frame = Buffer.from(value.frame, "base64url");
    if (value.format === FORMAT_GATEWAY) {
      const record = decodeGatewayRecord(frame);
      if (record.ok && record.value.kind === "loss" && this.#isOfThisRun(value)) {
        this.#evictions.lossRecord(value.gateway, value.lane, record.value.epoch, record.value.records);
      }
      return;
    }
    this.#counts.records++;
    this.#record(value, hash("sha256", frame, "buffer"));
  }

  /** What was received or, by a clock that was set, sealed before the run began accounts for none of its frames. */
  #isOfThisRun({ received, at, clock }: LogLine): boolean {
    if (typeof received === "number" && received < this.#begunMs) return false;
    return clock !== "synchronised" || typeof at !== "number" || at >= this.#begunMs;
  }

  #sentFrame(line: SentFrame): void {
    const counts = this.#counts;
    counts.frames++;
    const isGood = GOOD_KINDS.has(line.kind);
    if (isGood) counts.good++;
    else counts.bad++;
    if (line.outcome === "acknowledged") counts.acknowledged++;
    let state: number = line.expect === "stored" ? STORED : line.expect === "refused" ? REFUSED : MAYBE;
    if (line.outcome === "refused" && isGood) {
      if (isPressure(line.code)) {
        counts.turnedAway++;
        state = TURNED_AWAY;
      } else {
        counts.goodRefused++;
        this.#example("refused though good", line.n, line.sensor, line.code);
      }
    }
    if (line.outcome === "acknowledged" && line.expect === "refused") {
      counts.badAcknowledged++;
      this.#example("acknowledged though bad", line.n, line.sensor, line.kind);
    }
    const index = this.#table.add(Buffer.from(line.sha256, "hex"));
    if (index < this.#numbers.length) {
      // The same bytes again, as in a replay: what was promised for one holds for all.
      this.#states[index] = Math.max(this.#states[index]!, state);
      return;
    }
    this.#numbers.push(line.n);
    this.#sentAtMs.push(line.atMs);
    this.#timesInLog.push(0);
    this.#states.push(state);
    this.#lanes.push(line.lane);
    this.#sensors.push(line.sensor);
    this.#sources.push(line.source);
    this.#formats.push(line.format);
  }

  #record(line: LogLine, sha256: Buffer): void {
    const counts = this.#counts;
    const index = this.#table.find(sha256);
    const source = line.source ?? "";
    if (index < 0) {
      if (this.#ours.has(source)) {
        counts.altered++;
        this.#example("in the log but never sent", undefined, source, `offset ${line.offset}`);
      } else counts.foreign++;
      return;
    }
    const sentAtMs = this.#sentAtMs.at(index);
    if (typeof line.received === "number" && line.received < sentAtMs - this.#clockSkewMs) {
      counts.older++;
      return;
    }
    this.#gateways.add(line.gateway ?? "");
    const place = this.#placeOf(index, line);
    if (place !== undefined) {
      counts.misfiled++;
      this.#example("misfiled", this.#numbers.at(index), this.#sensors[index]!, `${place}, offset ${line.offset}`);
    }
    const before = this.#timesInLog.at(index);
    this.#timesInLog.set(index, before + 1);
    if (before > 0) {
      counts.duplicate++;
      this.#example("twice in the log", this.#numbers.at(index), this.#sensors[index]!, `offset ${line.offset}`);
      return;
    }
    counts.received++;
    if (this.#states[index] === REFUSED) {
      counts.refusedButStored++;
      this.#example("refused but stored", this.#numbers.at(index), this.#sensors[index]!, `offset ${line.offset}`);
    }
    if (typeof line.received === "number") this.#lateMs.push(line.received - sentAtMs);
    if (typeof line.at === "number") this.#stampedMs.push(line.at - sentAtMs);
  }

  /** Where the log has a frame that it should have elsewhere; undefined when it stands where it belongs. */
  #placeOf(index: number, { source, lane, format }: LogLine): string | undefined {
    const meant = this.#sources[index]!;
    const isEndpoint = meant.startsWith("[");
    const bySource = this.#relayed && isEndpoint ? source?.startsWith("[") === true : source === meant;
    if (!bySource) return `from ${source} instead of ${meant}`;
    if (lane !== this.#lanes[index]) return `in lane ${lane} instead of ${this.#lanes[index]}`;
    if (format !== this.#formats.at(index)) return `with format ${format} instead of ${this.#formats.at(index)}`;
    return undefined;
  }

  #example(trouble: string, n: number | undefined, sensor: string, detail: string | undefined): void {
    if (this.#examples.filter((example) => example.trouble === trouble).length >= EXAMPLES_MAX) return;
    this.#examples.push({ trouble, ...(n === undefined ? {} : { n }), sensor, detail: detail ?? "" });
  }

  /** The numbers so far, without a verdict. */
  report(): Omit<VerifyReport, "verdict" | "reasons"> {
    const missing: Record<string, number> = {};
    let unconfirmed = 0;
    for (let index = 0; index < this.#table.size; index++) {
      if (this.#timesInLog.at(index) > 0) continue;
      const state = this.#states[index]!;
      if (state === MAYBE) unconfirmed++;
      if (state !== STORED) continue;
      const lane = this.#lanes[index]!;
      missing[lane] = (missing[lane] ?? 0) + 1;
      this.#example("acknowledged but not in the log", this.#numbers.at(index), this.#sensors[index]!, lane);
    }
    const { lost, accounted } = this.#evictions.account(missing, this.#gateways);
    const { frames, ...counts } = this.#counts;
    return {
      scenario: this.#header?.scenario ?? "",
      seed: this.#header?.seed ?? 0,
      complete: this.#header !== undefined && this.#summary !== undefined && this.#summary.frames === frames,
      sent: frames,
      ...counts,
      lost,
      accounted,
      evicted: this.#evictions.total,
      unconfirmed,
      lateMs: percentilesOf(this.#lateMs.sorted()),
      stampedMs: percentilesOf(this.#stampedMs.sorted()),
      examples: this.#examples,
    };
  }
}

const GOOD_KINDS: ReadonlySet<string> = new Set(["good", "duplicate", "stuck-value", "reboot"]);

function percentilesOf(sorted: Float64Array): Percentiles | null {
  if (sorted.length === 0) return null;
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1)! };
}
