import type { RowChunk } from "../sink.ts";
import { nullableText, textLiteral } from "./literals.ts";

interface Loss {
  readonly offset: number;
  readonly records: number;
  readonly gateway: string | null;
  readonly source: string | null;
  readonly reason: string;
}

/** What of a chunk is in no row, or not all of it: tuples for `paddock_losses`. */
export function lossTuples({ rows, deadLetters, missing }: RowChunk): readonly string[] {
  const losses: Loss[] = deadLetters.map((letter) => ({ ...letter, records: 1 }));
  for (const { offset, count, why } of missing) {
    losses.push({ offset, records: count, gateway: null, source: null, reason: why });
  }
  for (const { offset, gateway, source, name, sum, updateS } of rows) {
    if (sum === null && updateS === null) continue;
    for (const [what, number] of [
      ["sum", sum],
      ["update time", updateS],
    ] as const) {
      if (number === null || Number.isFinite(number)) continue;
      const reason = `${name}: its ${what}, ${number}, is no number that a column holds; the rest of it is a row`;
      losses.push({ offset, records: 0, gateway, source, reason });
    }
  }
  const counts = new Map<number, number>();
  return losses.map(({ offset, records, gateway, source, reason }) => {
    const nth = counts.get(offset) ?? 0;
    counts.set(offset, nth + 1);
    const who = [gateway, source].map(nullableText).join(",");
    return `(${offset},${nth},${records},${who},${textLiteral(reason)})`;
  });
}
