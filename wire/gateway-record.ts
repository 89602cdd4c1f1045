import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { isNormal, type Ranges } from "@paddock/base/ranges.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import {
  DIRECTIVE_ID_BYTES,
  DIRECTIVE_REASON_BYTES_MAX,
  DIRECTIVE_VERSION_BYTES_MAX,
  RECEIPT_RANGES_MAX,
} from "./limits.ts";

/**
 * The gateway's own records (format 65535): what happened to the chain, said inside the chain. Frame = a CBOR array
 * whose first item is the kind. docs/protocol.md §2.2.
 */
export type GatewayRecord =
  | {
      /** Payloads that were given up; their headers stay, so the loss is exactly bounded. */
      readonly kind: "loss";
      /** Why, as a stable word: `evicted` for want of room, `quarantined` after damage. */
      readonly reason: string;
      /** The epoch of the lane that lost them. */
      readonly epoch: number;
      readonly ranges: Ranges;
      readonly records: number;
      readonly bytes: number;
    }
  | {
      /** The wall clock was stepped or gained quality. */
      readonly kind: "clock-step";
      /** Unix ms before and after, at the same instant. */
      readonly before: number;
      readonly after: number;
    }
  | {
      /** First record of every epoch but the first: why continuity was lost. */
      readonly kind: "epoch-change";
      readonly reason: string;
      readonly previousEpoch: number;
      /** The last seq known of the previous epoch, or null when none is. */
      readonly lastSeq: number | null;
    }
  | DirectiveResult;

/** What became of a directive. The same may be said more than once. */
export interface DirectiveResult {
  readonly kind: "directive";
  /** Of the directive. */
  readonly id: Uint8Array;
  readonly outcome: DirectiveOutcome;
  /** What it asked for: `config 7`, `release 1.2.3`. */
  readonly subject: string;
  /** Why, for a person; empty where there is nothing to explain. */
  readonly reason: string;
}

/**
 * `trying` is the only one that another follows. `refused`: not begun, everything is as before. `reverted`: tried, and
 * gone back. `failed`: begun, and not come to an end.
 */
export const DIRECTIVE_OUTCOMES = ["trying", "applied", "refused", "reverted", "failed"] as const;
export type DirectiveOutcome = (typeof DIRECTIVE_OUTCOMES)[number];

const KIND_LOSS = 1;
const KIND_CLOCK_STEP = 2;
const KIND_EPOCH_CHANGE = 3;
const KIND_DIRECTIVE = 4;
const REASON_BYTES_MAX = 128;
const ELLIPSIS_BYTES = 3;
const SUBJECT_BYTES_MAX = 16 + DIRECTIVE_VERSION_BYTES_MAX;

export function encodeGatewayRecord(record: GatewayRecord): Buffer {
  const writer = new CborWriter();
  switch (record.kind) {
    case "loss":
      writer.array(6).int(KIND_LOSS).text(record.reason).int(record.epoch).array(record.ranges.length);
      for (const [first, last] of record.ranges) writer.array(2).int(first).int(last);
      return writer.int(record.records).int(record.bytes).finish();
    case "clock-step":
      return writer.array(3).int(KIND_CLOCK_STEP).int(record.before).int(record.after).finish();
    case "epoch-change":
      writer.array(4).int(KIND_EPOCH_CHANGE).text(record.reason).int(record.previousEpoch);
      return (record.lastSeq === null ? writer.null() : writer.int(record.lastSeq)).finish();
    case "directive":
      writer.array(5).int(KIND_DIRECTIVE).bytes(record.id).int(DIRECTIVE_OUTCOMES.indexOf(record.outcome));
      return writer
        .text(shortened(record.subject, SUBJECT_BYTES_MAX))
        .text(shortened(record.reason, DIRECTIVE_REASON_BYTES_MAX))
        .finish();
  }
}

export function decodeGatewayRecord(frame: Uint8Array): Outcome<GatewayRecord, "gateway-record"> {
  const reader = new CborReader(frame);
  const items = reader.array("gateway record", 1, 6);
  const kind = reader.uint("kind");
  const record = readBody(reader, kind, items);
  reader.end("gateway record");
  if (reader.problem !== undefined || record === undefined) {
    return refuse("gateway-record", reader.problem ?? `unknown kind ${kind}`);
  }
  return accept(record);
}

function readBody(reader: CborReader, kind: number, items: number): GatewayRecord | undefined {
  if (kind === KIND_LOSS && items === 6) {
    const reason = reader.text("reason", REASON_BYTES_MAX);
    const epoch = reader.uint("epoch", 0xffff_ffff);
    const ranges = readRanges(reader, "ranges");
    return { kind: "loss", reason, epoch, ranges, records: reader.uint("records"), bytes: reader.uint("bytes") };
  }
  if (kind === KIND_CLOCK_STEP && items === 3) {
    return { kind: "clock-step", before: reader.int("before"), after: reader.int("after") };
  }
  if (kind === KIND_EPOCH_CHANGE && items === 4) {
    const reason = reader.text("reason", REASON_BYTES_MAX);
    const previousEpoch = reader.uint("previous epoch", 0xffff_ffff);
    return { kind: "epoch-change", reason, previousEpoch, lastSeq: reader.takeNull() ? null : reader.uint("last seq") };
  }
  if (kind === KIND_DIRECTIVE && items === 5) {
    const id = reader.bytes("id", DIRECTIVE_ID_BYTES);
    const outcome = DIRECTIVE_OUTCOMES[reader.uint("outcome", DIRECTIVE_OUTCOMES.length - 1)]!;
    const subject = reader.text("subject", SUBJECT_BYTES_MAX);
    return { kind: "directive", id, outcome, subject, reason: reader.text("reason", DIRECTIVE_REASON_BYTES_MAX) };
  }
  return undefined;
}

/** The beginning of a text that is too long, with whole characters and a sign that it goes on. */
function shortened(text: string, bytesMax: number): string {
  const whole = text.toWellFormed();
  if (Buffer.byteLength(whole) <= bytesMax) return whole;
  const kept = new Uint8Array(bytesMax - ELLIPSIS_BYTES);
  const { read } = new TextEncoder().encodeInto(whole, kept);
  return `${whole.slice(0, read)}…`;
}

/** Reads `[* [first, last]]`, normal in the sense of base/ranges.ts and at most RECEIPT_RANGES_MAX long. */
export function readRanges(reader: CborReader, what: string): Ranges {
  const ranges: [number, number][] = [];
  const count = reader.array(what, 0, RECEIPT_RANGES_MAX);
  for (let index = 0; index < count && reader.problem === undefined; index++) {
    reader.array("range", 2);
    const first = reader.uint("first");
    ranges.push([first, reader.uint("last")]);
  }
  if (!isNormal(ranges)) reader.fail(`${what} are not sorted and disjoint`);
  return ranges;
}
