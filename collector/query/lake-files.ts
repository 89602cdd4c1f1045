import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { OTHER } from "./views.ts";

/** Files of the lake that are no partition, and show that a folder is one. */
const MARKS = new Set(["boots.ndjson", "_manifest.jsonl"]);

/** What stands in a lake, as far as names of folders say. */
export interface LakeFiles {
  readonly directory: string;
  /** Glob patterns of the files of each measurement, by its name in lower case: SQL names are read without case. */
  readonly measurements: ReadonlyMap<string, { readonly name: string; readonly globs: readonly string[] }>;
  /** Pattern of the folders of measurements that got none of their own; undefined when there is no such folder. */
  readonly other: string | undefined;
  /** Pattern of all files. */
  readonly glob: string;
}

/** Looks into a lake's folder. Throws PaddockError USAGE when it cannot be read or is none. */
export function lakeFilesOf(directory: string): LakeFiles {
  const entries = entriesOf(directory);
  const sites = entries.filter(isPartition("site="));
  if (sites.length === 0 && !entries.some(({ name }) => MARKS.has(name))) {
    throw new PaddockError("USAGE", `${directory} holds no lake: there is no folder site=… in it.`, { remedy: REMEDY });
  }
  const folders = new Set<string>();
  for (const site of sites) {
    const inSite = join(directory, site.name);
    for (const date of within(inSite).filter(isPartition("date="))) {
      const inDate = join(inSite, date.name);
      for (const { name } of within(inDate).filter(isPartition("measurement="))) {
        // Retention leaves folders empty, and a pattern that matches no file is an error.
        if (!folders.has(name) && within(join(inDate, name)).some(isPart)) folders.add(name);
      }
    }
  }
  const root = globEscaped(directory);
  const measurements = new Map<string, { name: string; globs: string[] }>();
  const otherFolder = `measurement=${OTHER}`;
  const hasOther = folders.delete(otherFolder);
  const globOf = (folder: string): string => `${root}/site=*/date=*/${folder}/*.parquet`;
  for (const folder of [...folders].toSorted()) {
    const name = decoded(folder.slice("measurement=".length));
    const found = measurements.get(name.toLowerCase()) ?? { name, globs: [] };
    found.globs.push(globOf(globEscaped(folder)));
    measurements.set(name.toLowerCase(), found);
  }
  const other = hasOther ? globOf(otherFolder) : undefined;
  return { directory, measurements, other, glob: globOf("measurement=*") };
}

const REMEDY = "Name the folder that a lake sink of the collector writes to, with --lake, or its configuration.";

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const message = `The lake ${directory} cannot be read: ${messageOf(error)}.`;
    throw new PaddockError("USAGE", message, { cause: error, remedy: REMEDY });
  }
}

/** A partition that its retention removed meanwhile is empty. */
function within(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

const isPart = (entry: Dirent): boolean => entry.name.endsWith(".parquet");

const isPartition =
  (prefix: string) =>
  (entry: Dirent): boolean =>
    entry.isDirectory() && entry.name.startsWith(prefix);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The path as a pattern that matches it alone. */
export function globEscaped(path: string): string {
  return path.replaceAll(/[[*?]/gu, "[$&]");
}
