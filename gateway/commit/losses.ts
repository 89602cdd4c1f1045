import { union, type Ranges } from "@paddock/base/ranges.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import { CborReader } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { decodeGatewayRecord, encodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";

/** Payloads of one epoch of a lane that were given up, and why, as a loss record says it. */
export type Loss = Extract<GatewayRecord, { kind: "loss" }>;

/** Payloads of one chain that are gone or go. */
export type Lost = Pick<PlannedEviction, "chain" | "seqs" | "records" | "bytes">;

/** Loss records of one batch: of a few epochs, and for both reasons. */
export const LOSS_RECORDS_MAX = 4;
/** Ranges in the loss records of one batch: at their longest encoding they fit the room that frames leave. */
export const LOSS_RANGES_MAX = 32;
/** Bytes of an encoded loss record and its length. */
const LOSS_BYTES_MAX = 64 + 18 * LOSS_RANGES_MAX;

export function lossOf({ chain, seqs, records, bytes }: Lost, reason: "evicted" | "quarantined"): Loss {
  return { kind: "loss", reason, epoch: chain.epoch, ranges: seqs, records, bytes };
}

/** One loss for each epoch and reason. */
export function mergeLosses(losses: readonly Loss[]): Loss[] {
  const merged = new Map<string, Loss>();
  for (const loss of losses) {
    const name = `${loss.epoch} ${loss.reason}`;
    const { ranges, records, bytes } = merged.get(name) ?? { ranges: [] as Ranges, records: 0, bytes: 0 };
    merged.set(name, {
      ...loss,
      ranges: union(ranges, loss.ranges),
      records: records + loss.records,
      bytes: bytes + loss.bytes,
    });
  }
  return [...merged.values()];
}

/** Whether one batch can say all of them. */
export function fitOneBatch(losses: readonly Loss[]): boolean {
  const ranges = losses.reduce((sum, loss) => sum + loss.ranges.length, 0);
  return losses.length <= LOSS_RECORDS_MAX && ranges <= LOSS_RANGES_MAX;
}

/** `[* bytes]`, each a loss record as it stands in the chain. */
export function encodeLosses(losses: readonly Loss[]): Buffer {
  const writer = new CborWriter(256).array(losses.length);
  for (const loss of losses) writer.bytes(encodeGatewayRecord(loss));
  return writer.finish();
}

/** The losses, or undefined when the bytes are none. */
export function decodeLosses(bytes: Uint8Array): Loss[] | undefined {
  const reader = new CborReader(bytes);
  const losses: Loss[] = [];
  const count = reader.array("losses", 0, LOSS_RECORDS_MAX);
  for (let index = 0; index < count && reader.problem === undefined; index++) {
    const record = decodeGatewayRecord(reader.bytes("loss", 0, LOSS_BYTES_MAX));
    if (!record.ok || record.value.kind !== "loss") return undefined;
    losses.push(record.value);
  }
  reader.end("losses");
  return reader.problem === undefined ? losses : undefined;
}
