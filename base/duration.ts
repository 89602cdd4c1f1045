import { accept, refuse, type Outcome } from "./outcome.ts";

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["us", 0.001],
  ["ms", 1],
  ["s", 1000],
  ["min", 60_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Milliseconds of a text such as `250ms`, `5s`, `2min`, `1h`, `3d`. A bare number is refused: it hides its unit. */
export function parseDurationMs(text: string): Outcome<number, "duration"> {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim());
  const unitMs = match === null ? undefined : UNITS_MS.get(match[2]!);
  if (match === null || unitMs === undefined) {
    return refuse("duration", `"${text}" is not a duration; write a number with us, ms, s, min, h or d, such as 5s.`);
  }
  return accept(Number(match[1]) * unitMs);
}

/** A duration for people: two significant units at most. */
export function formatDuration(ms: number): string {
  if (Math.round(ms * 1000) < 1000) return `${Math.round(ms * 1000)} µs`;
  if (Math.round(ms) < 1000) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}
