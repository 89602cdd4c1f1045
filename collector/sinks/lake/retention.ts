import type { LakeFile } from "./manifest.ts";

const DAY_MS = 86_400_000;

/** The date of a file's partition; undefined for a path of another form. */
export function dateOfPath(path: string): string | undefined {
  return /^site=[^/]+\/date=(\d{4}-\d{2}-\d{2})\/measurement=[^/]+\//u.exec(path)?.[1];
}

/** Files of partitions whose day ended more than `days` days ago. */
export function expiredFiles(files: Iterable<LakeFile>, days: number | undefined, nowMs: number): LakeFile[] {
  if (days === undefined) return [];
  return [...files].filter(({ path }) => {
    const date = dateOfPath(path);
    return date !== undefined && Date.parse(`${date}T00:00:00Z`) + (days + 1) * DAY_MS <= nowMs;
  });
}

/** Whether a partition's day is over, with time for what comes late. */
export function isDayOver(path: string, nowMs: number): boolean {
  const date = dateOfPath(path);
  return date !== undefined && Date.parse(`${date}T00:00:00Z`) + DAY_MS + LATE_MS <= nowMs;
}

const LATE_MS = 2 * 3_600_000;
