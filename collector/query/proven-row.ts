import { type Proof, type VerifiedProof } from "@paddock/wire/proof.ts";
import { DatingBook } from "../sinks/dating.ts";
import { COLUMNS, type FieldValue } from "../sinks/lake/columns.ts";
import type { Row } from "../sinks/row.ts";
import { rowsOfBatch } from "../sinks/rows.ts";

/** A column in which a row of a file is not what the proven frame says. */
export interface Difference {
  readonly column: string;
  readonly file: FieldValue;
  readonly proven: FieldValue;
}

/**
 * The readings of a proven record, as rows: what its gateway signed, resolved as for every sink. `receivedMs` is when its
 * batch arrived, which the collector's log says and no proof.
 */
export function rowsOfProof(
  { header, gateway }: VerifiedProof,
  { payload, index }: Pick<Proof, "payload" | "index">,
  offset: number,
  receivedMs: number,
): readonly Row[] {
  const { lane, epoch, seq, count } = header.position;
  const batch = {
    offset: offset - index,
    count,
    received: receivedMs,
    chain: { gateway, lane, epoch },
    seq,
    decoded: header,
    payload,
  };
  const { rows } = rowsOfBatch(batch, offset, new DatingBook());
  return rows.filter((row) => row.offset === offset);
}

/** Whether a later batch dated the row's boot: what it says of time beyond the sensor's own is then in no single record. */
export function isDatedLater(values: Readonly<Record<string, FieldValue>>, proven: Row): boolean {
  return proven.clock === "unset" && values["clock"] === "dated";
}

/** Where a row of a file says something else than its record. */
export function differencesOf(values: Readonly<Record<string, FieldValue>>, proven: Row): Difference[] {
  const apart = new Set<string>();
  if (isDatedLater(values, proven)) {
    apart.add("clock");
    if (proven.timeBy === "collector" && values["time_by"] === "gateway") apart.add("time").add("time_by");
  }
  return COLUMNS.filter(({ name }) => !apart.has(name))
    .map(({ name, valueOf }) => ({ column: name, file: values[name] ?? null, proven: valueOf(proven) }))
    .filter(({ file, proven: said }) => !isSame(file, said));
}

function isSame(one: FieldValue, other: FieldValue): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.from(one).equals(other);
  return Object.is(one, other);
}
