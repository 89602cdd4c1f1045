import { type LakeDisk, sha256Of } from "./lake-disk.ts";
import { FRESH, MANIFEST } from "./lake-store.ts";
import { type LakeFile, readManifest } from "./manifest.ts";

export interface LakeVerdict {
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  /** One sentence each. */
  readonly problems: readonly string[];
}

/** Reads the journal of a lake without changing it; undefined when there is none. */
export async function readLake(disk: LakeDisk) {
  const bytes = await disk.read(MANIFEST);
  return bytes === undefined ? undefined : readManifest(bytes);
}

/** Holds every file against the hash that its commit gave it. A lake that is written to meanwhile can show its newest files as missing. */
export async function verifyLake(disk: LakeDisk): Promise<LakeVerdict | undefined> {
  const read = await readLake(disk);
  if (read === undefined) return undefined;
  if (!read.ok) return { files: 0, rows: 0, bytes: 0, problems: [`${MANIFEST}: ${read.detail}.`] };
  const { files } = read.value.state;
  const problems: string[] = [];
  let rows = 0;
  let size = 0;
  for (const file of files.values()) {
    const problem = await problemOf(disk, file);
    if (problem !== undefined) problems.push(problem);
    rows += file.rows;
    size += file.bytes;
  }
  for (const path of await disk.list()) {
    if (path.endsWith(".parquet") && !files.has(path))
      problems.push(`${path}: no commit names it, and readers see it.`);
  }
  return { files: files.size, rows, bytes: size, problems };
}

async function problemOf(disk: LakeDisk, file: LakeFile): Promise<string | undefined> {
  const bytes = (await disk.read(file.path)) ?? (await disk.read(file.path + FRESH));
  if (bytes === undefined) return `${file.path}: it is gone; its rows are read again at the sink's next start.`;
  if (bytes.length !== file.bytes) return `${file.path}: it has ${bytes.length} bytes, not ${file.bytes}.`;
  if (sha256Of(bytes) === file.hash) return undefined;
  return `${file.path}: its bytes are not those that were written; remove it, and its rows are read again at the sink's next start.`;
}
