import type { BatchHeader, ClockQuality } from "@paddock/wire/batch-header.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { decodeRecords, formatSource, type BatchRecord } from "@paddock/wire/record.ts";
import type { LogLoss } from "@paddock/store/log-reads.ts";
import type { LogEntry } from "@paddock/store/types.ts";
import { hexOf } from "../chain-name.ts";

/** A batch of the arrival log with what its header says. */
export interface LoggedBatch extends LogEntry {
  readonly decoded: BatchHeader;
  /** Null when its gateway gave it up, or with `damaged`. */
  readonly payload: Uint8Array | null;
  /** The payload was here, and this collector's disk changed or lost it. */
  readonly damaged?: true;
}

export type LogFormat = "ndjson" | "cbor";

/** How the log is given: its records as lines, or its batches as they are (log-items.ts). */
export type LogRepresentation = LogFormat | "batches";

export const LOG_CONTENT_TYPES: Readonly<Record<LogRepresentation, string>> = {
  ndjson: "application/x-ndjson",
  cbor: "application/cbor-seq",
  batches: "application/vnd.paddock.batches+cbor-seq",
};

const CLOCK_NAMES = { 0: "unset", 1: "holdover", 2: "synchronised" } as const;

export function clockName(clock: ClockQuality): (typeof CLOCK_NAMES)[ClockQuality] {
  return CLOCK_NAMES[clock];
}

/** A line of the log as `GET /v1/log` gives it in NDJSON; a batch that is evicted or undecodable has no record in it. */
export interface LogLine {
  readonly offset: number;
  readonly received: number;
  readonly gateway: string;
  readonly lane: string;
  readonly epoch: number;
  readonly seq: number;
  readonly index?: number;
  readonly source?: string;
  readonly format?: number;
  readonly at: number;
  readonly clock: string;
  readonly frame?: string;
  /** Records that the gateway gave up for want of room. */
  readonly evicted?: number;
  /** Records of a payload that cannot be read. */
  readonly undecodable?: number;
  /** Records of a payload that the collector's disk changed. */
  readonly damaged?: number;
  /** Records that the collector's disk lost, and what of them is missing; whose they were may not be known. */
  readonly lost?: number;
  readonly why?: string;
}

/** The lines of one batch, and the offset behind the last of them. */
export interface RenderedLines {
  readonly bytes: Buffer;
  /** Lines rendered. */
  readonly lines: number;
  readonly nextOffset: number;
}

/**
 * Renders the records of one batch from log offset `from` on, at most `limit` lines, as docs/protocol.md §3.4 has them.
 * A batch without readable records is one line that says why; it is left out when `from` lies behind its first offset.
 */
export function renderBatch(batch: LoggedBatch, from: number, limit: number, format: LogFormat): RenderedLines {
  const end = batch.offset + batch.count;
  const records = batch.payload === null ? undefined : decodeRecords(batch.payload);
  const render = format === "ndjson" ? ndjsonLine : cborLine;
  if (records === undefined || !records.ok) {
    if (from > batch.offset) return { bytes: Buffer.alloc(0), lines: 0, nextOffset: end };
    return { bytes: render(batch, batch.offset, undefined, 0), lines: 1, nextOffset: end };
  }
  const skip = Math.max(0, from - batch.offset);
  const wanted = records.value.slice(skip, skip + limit);
  const parts = wanted.map((record, at) => render(batch, batch.offset + skip + at, record, skip + at));
  return { bytes: Buffer.concat(parts), lines: wanted.length, nextOffset: batch.offset + skip + wanted.length };
}

/** The line that stands for records which cannot be read any more, from log offset `from` on; one line whatever their number. */
export function renderLoss(loss: LogLoss, from: number, format: LogFormat): RenderedLines {
  const nextOffset = loss.offset + loss.count;
  const offset = Math.max(from, loss.offset);
  const line = { offset, lost: nextOffset - offset, why: loss.lost, chain: loss.chain, seq: loss.seq };
  return { bytes: format === "ndjson" ? ndjsonLoss(line) : cborLoss(line), lines: 1, nextOffset };
}

interface LossLine {
  readonly offset: number;
  readonly lost: number;
  readonly why: LogLoss["lost"];
  readonly chain: LogLoss["chain"];
  readonly seq: LogLoss["seq"];
}

function ndjsonLoss({ offset, lost, why, chain, seq }: LossLine): Buffer {
  const whose = chain && { gateway: hexOf(chain.gateway), lane: laneName(chain.lane), epoch: chain.epoch, seq };
  return Buffer.from(`${JSON.stringify({ offset, lost, why, ...whose })}\n`);
}

function cborLoss({ offset, lost, why, chain, seq }: LossLine): Buffer {
  const writer = new CborWriter(160).map(chain === undefined ? 3 : 7);
  if (chain !== undefined) writer.text("seq").int(seq ?? 0);
  writer.text("why").text(why);
  if (chain !== undefined) writer.text("lane").text(laneName(chain.lane));
  writer.text("lost").int(lost);
  if (chain !== undefined) writer.text("epoch").int(chain.epoch);
  writer.text("offset").int(offset);
  if (chain !== undefined) writer.text("gateway").bytes(chain.gateway);
  return writer.finish();
}

function ndjsonLine(batch: LoggedBatch, offset: number, record: BatchRecord | undefined, index: number): Buffer {
  const place = {
    offset,
    received: batch.received,
    gateway: hexOf(batch.chain.gateway),
    lane: laneName(batch.chain.lane),
    epoch: batch.chain.epoch,
    seq: batch.seq,
  };
  const line =
    record === undefined
      ? {
          ...place,
          at: batch.decoded.position.wall,
          clock: clockName(batch.decoded.position.clock),
          [whyWithoutRecords(batch)]: batch.count,
        }
      : {
          ...place,
          index,
          source: formatSource(record.source),
          format: record.format,
          at: timeOf(batch, record),
          clock: clockName(batch.decoded.position.clock),
          frame: Buffer.from(record.frame).toString("base64url"),
        };
  return Buffer.from(`${JSON.stringify(line)}\n`);
}

function cborLine(batch: LoggedBatch, offset: number, record: BatchRecord | undefined, index: number): Buffer {
  const { chain, seq, received, count, decoded } = batch;
  const writer = new CborWriter(192 + (record?.frame.length ?? 0));
  // Keys in the order of deterministic CBOR: by length, then bytewise (RFC 8949 §4.2.1).
  const without = record === undefined ? whyWithoutRecords(batch) : undefined;
  writer.map(record === undefined ? 9 : 12);
  writer.text("at").int(timeOf(batch, record));
  writer.text("seq").int(seq);
  writer.text("lane").text(laneName(chain.lane));
  writer.text("clock").text(clockName(decoded.position.clock));
  writer.text("epoch").int(chain.epoch);
  if (record !== undefined) writer.text("frame").bytes(record.frame).text("index").int(index);
  if (record !== undefined) writer.text("format").int(record.format);
  writer.text("offset").int(offset);
  if (record !== undefined) writer.text("source").text(formatSource(record.source));
  if (without === "damaged" || without === "evicted") writer.text(without).int(count);
  writer.text("gateway").bytes(chain.gateway);
  writer.text("received").int(received);
  if (without === "undecodable") writer.text(without).int(count);
  return writer.finish();
}

/**
 * Kept bytes that are no records are not called evicted: nothing was given up, and the chain still proves them. Nor is
 * what this collector's own disk changed.
 */
function whyWithoutRecords({ payload, damaged }: LoggedBatch): "damaged" | "evicted" | "undecodable" {
  if (damaged === true) return "damaged";
  return payload === null ? "evicted" : "undecodable";
}

/** Unix ms, whole: the header's wall clock plus the record's offset. */
function timeOf(batch: LoggedBatch, record: BatchRecord | undefined): number {
  return batch.decoded.position.wall + Math.floor((record?.offset ?? 0) / 1000);
}
