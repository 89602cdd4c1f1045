import { createHash } from "node:crypto";
import type { Row } from "../row.ts";
import { byTime, parquetOf } from "./columns.ts";
import type { LakeFile } from "./manifest.ts";

/** A file that is not written yet. */
export interface MadeFile {
  readonly file: LakeFile;
  readonly bytes: Uint8Array;
}

/**
 * The Parquet file of rows of one partition. `isTaken` says of a name whether something has it; `log` is the log's name.
 */
export function makePart(
  folder: string,
  given: readonly Row[],
  log: string,
  isTaken: (name: string) => boolean,
): MadeFile {
  const rows = given.toSorted(byTime);
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { offset } of rows) {
    if (offset < first) first = offset;
    if (offset > last) last = offset;
  }
  const bytes = parquetOf(rows, {
    "paddock.version": "1",
    "paddock.log": log,
    "paddock.offsets": `${first}-${last}`,
    "paddock.chains": JSON.stringify(chainsOf(rows)),
  });
  const sha256 = hashOf(bytes);
  const name = freeName(`${folder}/part-${first}-${last}`, isTaken);
  return { file: { name, bytes: bytes.byteLength, sha256, rows: rows.length, first, last }, bytes };
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function freeName(stem: string, isTaken: (name: string) => boolean): string {
  for (let number = 1; ; number++) {
    const name = `${stem}${number === 1 ? "" : `-${number}`}.parquet`;
    if (!isTaken(name)) return name;
  }
}

interface ChainPart {
  readonly gateway: string;
  readonly lane: string;
  readonly epoch: number;
  first: number;
  last: number;
}

/** The positions of each chain that rows are of: first and last seq. */
function chainsOf(rows: readonly Row[]): ChainPart[] {
  const chains = new Map<string, ChainPart>();
  let at: ChainPart | undefined;
  for (const { gateway, lane, epoch, seq } of rows) {
    if (at === undefined || at.gateway !== gateway || at.lane !== lane || at.epoch !== epoch) {
      const key = `${gateway} ${lane} ${epoch}`;
      at = chains.get(key) ?? { gateway, lane, epoch, first: seq, last: seq };
      chains.set(key, at);
    }
    if (seq < at.first) at.first = seq;
    if (seq > at.last) at.last = seq;
  }
  return [...chains.values()];
}
