import type { LogPlace } from "../../log/log-place.ts";
import type { SqlConnection } from "./connection.ts";
import { msOfTime, nullableText, timeLiteral } from "./literals.ts";

/** What the row of `paddock_sink` says. */
export interface KeptPlace {
  /** Undefined: nothing was kept. */
  readonly place: LogPlace | undefined;
  /** Rows behind the place are being forgotten. */
  readonly isRewinding: boolean;
}

/** Undefined when the row, or its place, is not one that this bridge wrote. */
export async function readPlace(connection: SqlConnection, lock: boolean): Promise<KeptPlace | undefined> {
  const select = "SELECT log, log_offset, behind, updated, rewinding FROM paddock_sink WHERE id=1";
  const [row] = await connection.run(lock ? `${select} FOR UPDATE` : select);
  if (row === undefined) return undefined;
  const isRewinding = Number(row["rewinding"]) !== 0;
  if (row["log_offset"] === null) return { place: undefined, isRewinding };
  const offset = Number(row["log_offset"]);
  if (!Number.isSafeInteger(offset)) return undefined;
  const { log, behind, updated } = row;
  const place = { offset, behind: textOrNull(behind), updated: typeof updated === "string" ? msOfTime(updated) : 0 };
  return { place: log === null ? place : { ...place, log: String(log) }, isRewinding };
}

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

export function placeStatement(place: LogPlace, isRewinding = false): string {
  const { offset, updated, log, behind } = place;
  // DATETIME(3) keeps the first three of the six digits; they are all of it.
  const time = timeLiteral(Math.round(updated) * 1000);
  return `UPDATE paddock_sink SET log=${nullableText(log)},log_offset=${offset},behind=${nullableText(behind)},updated=${time},rewinding=${Number(isRewinding)} WHERE id=1`;
}
