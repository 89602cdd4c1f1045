import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { StreamSource } from "./stream-source.ts";

/** Where a reader wants to begin. */
export interface Beginning {
  readonly place: number;
  /** The end, whatever it is: nothing that was there before is wanted. */
  readonly isNow: boolean;
}

/** Places sort as their texts do (protocol §6), and the name behind them keeps places of another log apart. */
export function offsetText({ name }: Pick<StreamSource, "name">, place: number): string {
  return `${String(place).padStart(16, "0")}_${name}`;
}

/** Reads `offset` of a query. `gone`: it was given out for another log, or for more of this one than there is now. */
export function readStreamOffset(
  source: Pick<StreamSource, "name" | "end">,
  given: readonly string[],
): Outcome<Beginning, "query" | "gone"> {
  const [text, ...more] = given;
  if (more.length > 0) return refuse("query", "offset is given more than once.");
  if (text === undefined || text === "-1") return accept({ place: 0, isNow: false });
  if (text === "now") return accept({ place: source.end(), isNow: true });
  const [, digits, name] = /^(\d{16})_([0-9a-f]{32})$/u.exec(text) ?? [];
  if (digits === undefined || name === undefined) {
    return refuse("query", `offset is ${JSON.stringify(text.slice(0, 80))}; it is -1, now, or a Stream-Next-Offset.`);
  }
  const place = Number(digits);
  if (name !== source.name) return refuse("gone", `The offset is of the log ${name}, and this is ${source.name}.`);
  if (!Number.isSafeInteger(place) || place > source.end()) {
    return refuse("gone", `The offset lies behind the end of the log, ${source.end()}: the log was put back in time.`);
  }
  return accept({ place, isNow: false });
}

const CURSOR_EPOCH_MS = Date.UTC(2024, 9, 9);
const INTERVAL_MS = 20_000;
/** An hour of intervals. */
const JITTER_MAX = 180;

/**
 * The Stream-Cursor of a live answer (protocol §8.1): the number of the interval, and above what the reader has shown, so
 * that no cache between gives it the same answer for ever. `chance` is from 0 to below 1.
 */
export function cursorAt(wallMs: number, shown: string | null, chance: number): string {
  const interval = Math.max(0, Math.floor((wallMs - CURSOR_EPOCH_MS) / INTERVAL_MS));
  const before = shown !== null && /^\d{1,15}$/u.test(shown) ? Number(shown) : -1;
  return String(before >= interval ? before + 1 + Math.floor(chance * JITTER_MAX) : interval);
}
