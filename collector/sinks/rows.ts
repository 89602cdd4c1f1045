import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "@paddock/wire/content-formats.ts";
import { decodeMac0 } from "@paddock/wire/cose-mac.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { type BatchRecord, decodeRecords, FORMAT_GATEWAY, formatSource } from "@paddock/wire/record.ts";
import { type KeptReading, walkReadings } from "@paddock/wire/senml-read.ts";
import { hexOf } from "../chain-name.ts";
import { clockName, type LoggedBatch } from "../log/log-line.ts";
import type { DatingBook } from "./dating.ts";
import type { DeadLetter, Row, RowClock, TimeBy } from "./row.ts";

/** The rows of a batch of the log, and what of it cannot be one. */
export interface BatchRows {
  readonly rows: readonly Row[];
  readonly deadLetters: readonly DeadLetter[];
  /** False: the batch has no payload, or one that holds no records. */
  readonly isReadable: boolean;
}

/** What all rows of one record have in common. */
interface RecordContext {
  readonly offset: number;
  readonly gateway: string;
  readonly lane: Row["lane"];
  readonly epoch: number;
  readonly seq: number;
  readonly index: number;
  readonly source: string;
  /** When the gateway received it, as far as is known: Unix µs, and what that is worth. */
  readonly receivedUs: number;
  readonly receivedBy: TimeBy;
  readonly clock: RowClock;
  readonly arrivedMs: number;
  readonly boot: number;
  readonly monotonicUs: number;
}

/**
 * The readings of a batch from log offset `from` on, in the order of the log: the one place where a frame becomes rows.
 * A batch without a payload (given up, or damaged), and one whose payload holds no records, has none. Never throws.
 */
export function rowsOfBatch(batch: LoggedBatch, from: number, book: DatingBook): BatchRows {
  const rows: Row[] = [];
  const deadLetters: DeadLetter[] = [];
  const records = batch.payload === null ? undefined : decodeRecords(batch.payload);
  if (records === undefined || !records.ok) return { rows, deadLetters, isReadable: false };
  const gateway = hexOf(batch.chain.gateway);
  const lane = laneName(batch.chain.lane);
  const { epoch } = batch.chain;
  const { boot, monotonic, wall, clock } = batch.decoded.position;
  const zeroUs = clock === 0 ? book.zeroUs(gateway, boot) : wall * 1000 - monotonic;
  const isDated = clock === 0 && zeroUs !== undefined;
  const first = Math.max(0, from - batch.offset);
  for (let index = first; index < records.value.length; index++) {
    const record = records.value[index]!;
    if (record.format === FORMAT_GATEWAY) continue;
    const monotonicUs = monotonic + record.offset;
    const context: RecordContext = {
      offset: batch.offset + index,
      gateway,
      lane,
      epoch,
      seq: batch.seq,
      index,
      source: formatSource(record.source),
      receivedUs: zeroUs === undefined ? batch.received * 1000 : zeroUs + monotonicUs,
      receivedBy: zeroUs === undefined ? "collector" : "gateway",
      clock: isDated ? "dated" : clockName(clock),
      arrivedMs: batch.received,
      boot,
      monotonicUs,
    };
    rowsOfRecord(record, context, rows, deadLetters);
  }
  return { rows, deadLetters, isReadable: true };
}

function rowsOfRecord(record: BatchRecord, context: RecordContext, rows: Row[], deadLetters: DeadLetter[]): void {
  const { offset, gateway, source } = context;
  const onFault = (reason: string): void => void deadLetters.push({ offset, gateway, source, reason });
  let part = 0;
  const onReading = (reading: KeptReading): void => {
    const row = rowOf(reading, part++, context);
    if (typeof row === "string") onFault(row);
    else rows.push(row);
  };
  readFrame(record.frame, record.format, context.receivedUs / 1e6, onReading, onFault);
}

function readFrame(
  frame: Uint8Array,
  format: number,
  now: number,
  onReading: (reading: KeptReading) => void,
  onFault: (reason: string) => void,
): void {
  if (format === FORMAT_SENML_CBOR || format === FORMAT_SENSML_CBOR) {
    walkReadings(frame, { now }, onReading, onFault);
  } else if (format === FORMAT_COSE_MAC0) {
    const mac = decodeMac0(frame);
    if (mac.ok) readFrame(mac.value.payload, mac.value.format, now, onReading, onFault);
    else onFault(mac.detail);
  } else onFault(`content format ${format} is no SenML`);
}

/** The row of a reading, or why it cannot be one. */
function rowOf(reading: KeptReading, part: number, context: RecordContext): Row | string {
  const { value, isRelative } = reading;
  const number = typeof value === "number" ? value : undefined;
  const isFinite = number !== undefined && Number.isFinite(number);
  const timeUs = Math.round(reading.time * 1e6);
  if (!Number.isSafeInteger(timeUs)) {
    return `${reading.name}: its time, ${reading.time} s, is beyond what microseconds can say`;
  }
  return {
    offset: context.offset,
    part,
    gateway: context.gateway,
    lane: context.lane,
    epoch: context.epoch,
    seq: context.seq,
    index: context.index,
    source: context.source,
    name: reading.name,
    unit: reading.unit ?? null,
    number: isFinite ? number : null,
    exact: reading.exact ?? null,
    whyNoNumber: number === undefined || isFinite ? null : whyNoNumber(number, reading.exact),
    text: typeof value === "string" ? value : null,
    flag: typeof value === "boolean" ? value : null,
    data: value instanceof Uint8Array ? value : null,
    contentFormat: reading.contentFormat ?? null,
    sum: reading.sum ?? null,
    updateS: reading.updateTime ?? null,
    timeUs,
    timeBy: isRelative ? context.receivedBy : "sensor",
    clock: context.clock,
    arrivedMs: context.arrivedMs,
    boot: context.boot,
    monotonicUs: context.monotonicUs,
  };
}

function whyNoNumber(number: number, exact: string | undefined): Row["whyNoNumber"] {
  if (Number.isNaN(number)) return "nan";
  if (exact !== undefined) return "beyond-double";
  return number > 0 ? "infinity" : "-infinity";
}
