import { createHash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { PaddockError } from "@paddock/base/errors.ts";
import { FRESH, guarded, type LakeStore } from "./lake-store.ts";
import { type LakeDisk, sha256Of } from "./lake-disk.ts";
import type { LakeFile } from "./manifest.ts";
import { COLUMNS } from "./columns.ts";
import { COMPRESSION, ROWS_PER_GROUP, SCHEMA, sourceOf } from "./parquet.ts";
import { isDayOver } from "./retention.ts";

/** What merged files grow to, and what needs no merging. */
const MERGED_BYTES_MAX = 256 * 1024 * 1024;
const LARGE_BYTES = 64 * 1024 * 1024;

export interface CompactOptions {
  /** Unix ms: days that are not over stay as they are. */
  readonly nowMs: number;
  readonly version: string;
  /** Merges that are done at most. */
  readonly merges?: number;
}

/** Merges the small files of each partition whose day is over. Returns how many files became how many. */
export async function compactLake(
  store: LakeStore,
  disk: LakeDisk,
  { nowMs, version, merges = Infinity }: CompactOptions,
): Promise<{ readonly before: number; readonly after: number }> {
  const done = { before: 0, after: 0 };
  for (const files of mergesOf(store.state.files.values(), nowMs)) {
    if (done.after >= merges) break;
    const merged = await guarded(() => mergeFiles(disk, files, version));
    await store.commit({ add: [merged], remove: files.map(({ path }) => path) });
    done.before += files.length;
    done.after++;
  }
  return done;
}

/** Neighbours in the log of one partition, small ones, in runs that fit one file. */
export function mergesOf(files: Iterable<LakeFile>, nowMs: number): LakeFile[][] {
  const partitions = new Map<string, LakeFile[]>();
  for (const file of files) {
    if (!isDayOver(file.path, nowMs)) continue;
    const folder = folderOf(file.path);
    partitions.set(folder, [...(partitions.get(folder) ?? []), file]);
  }
  const runs: LakeFile[][] = [];
  for (const found of partitions.values()) {
    let run: LakeFile[] = [];
    let bytes = 0;
    for (const file of found.toSorted((left, right) => left.first - right.first)) {
      if (file.bytes >= LARGE_BYTES || bytes + file.bytes > MERGED_BYTES_MAX) {
        runs.push(run);
        run = [];
        bytes = 0;
        if (file.bytes >= LARGE_BYTES) continue;
      }
      run.push(file);
      bytes += file.bytes;
    }
    runs.push(run);
  }
  return runs.filter((run) => run.length > 1);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Writes one file with the rows of several, group by group, so that memory holds one of them. */
async function mergeFiles(disk: LakeDisk, files: readonly LakeFile[], version: string): Promise<LakeFile> {
  const first = files[0]!.first;
  const last = Math.max(...files.map((file) => file.last));
  const path = `${folderOf(files[0]!.path)}/part-${first}-${last}-merged.parquet`;
  const fresh = path + FRESH;
  await disk.remove(fresh);
  const writer = new ByteWriter();
  const footer = { log: new Set<string>(), chains: new Set<string>() };
  const kvMetadata: { key: string; value: string }[] = [];
  const parquet = new ParquetWriter({
    writer,
    schema: SCHEMA,
    ...COMPRESSION,
    createdBy: `paddock ${version}`,
    kvMetadata,
  });
  const hash = createHash("sha256");
  let bytes = 0;
  let rows = 0;
  const flush = async (): Promise<void> => {
    const piece = Uint8Array.from(new Uint8Array(writer.buffer, 0, writer.index));
    writer.index = 0;
    hash.update(piece);
    if (bytes === 0) await disk.write(fresh, piece);
    else await disk.append(fresh, piece);
    bytes += piece.length;
  };
  let held: unknown[][] = COLUMNS.map(() => []);
  const writeGroup = async (): Promise<void> => {
    if (held[0]!.length === 0) return;
    rows += held[0]!.length;
    const columnData = COLUMNS.map((column, index) => sourceOf(column, held[index]!));
    void parquet.write({ columnData, rowGroupSize: ROWS_PER_GROUP });
    held = COLUMNS.map(() => []);
    await flush();
  };
  for (const file of files) {
    const source = await openFile(disk, file);
    for (const { key, value = "" } of source.metadata.key_value_metadata ?? []) {
      if (key === "paddock.log") footer.log.add(value);
      if (key === "paddock.chains") footer.chains.add(value);
    }
    for await (const columns of groupsOf(source)) {
      for (const [index, values] of columns.entries()) {
        const target = held[index]!;
        for (const value of values) target.push(value);
      }
      if (held[0]!.length >= ROWS_PER_GROUP) await writeGroup();
    }
  }
  await writeGroup();
  kvMetadata.push(
    { key: "paddock.version", value: version },
    { key: "paddock.log", value: [...footer.log].join(" ") },
    { key: "paddock.offsets", value: `${first}-${last}` },
    { key: "paddock.chains", value: mergedChains([...footer.chains]) },
  );
  void parquet.finish();
  await flush();
  return { path, bytes, hash: hash.digest("hex"), rows, first, last };
}

interface ChainRange {
  readonly gateway: string;
  readonly lane: string;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

function mergedChains(texts: readonly string[]): string {
  const chains = new Map<string, ChainRange>();
  for (const range of texts.flatMap((text) => JSON.parse(text) as ChainRange[])) {
    const key = `${range.gateway} ${range.lane} ${range.epoch}`;
    const known = chains.get(key) ?? range;
    const first = Math.min(known.first, range.first);
    chains.set(key, { ...range, first, last: Math.max(known.last, range.last) });
  }
  return JSON.stringify([...chains.values()]);
}

interface OpenFile {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
}

/** Throws RangeError when it has not the rows that its commit says. */
async function openFile(disk: LakeDisk, { path, rows, hash }: LakeFile): Promise<OpenFile> {
  const bytes = (await disk.read(path)) ?? Buffer.alloc(0);
  if (sha256Of(bytes) !== hash) {
    throw new PaddockError("SINK_REFUSED", `${path} has not the bytes that were written.`, {
      remedy: "Remove it and resume the sink: its rows are read again from the ledger.",
    });
  }
  const file: AsyncBuffer = {
    byteLength: bytes.length,
    slice: (start, end) => {
      const part = bytes.subarray(start, end);
      return part.buffer.slice(part.byteOffset, part.byteOffset + part.length) as ArrayBuffer;
    },
  };
  const metadata = await parquetMetadataAsync(file);
  if (Number(metadata.num_rows) !== rows) throw new RangeError(`${path} has not the rows that its commit says`);
  return { file, metadata };
}

/** The columns of each row group in the schema's order, times as microseconds. */
async function* groupsOf({ file, metadata }: OpenFile): AsyncGenerator<unknown[][]> {
  const at = new Map(COLUMNS.map(({ name }, index) => [name, index]));
  let rowStart = 0;
  for (const { num_rows: groupRows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(groupRows);
    const columns: unknown[][] = COLUMNS.map(() => []);
    await parquetRead({
      file,
      metadata,
      rowStart,
      rowEnd,
      compressors: { ZSTD: decompressed },
      // What has no text type is bytes, and a Date would cut microseconds.
      utf8: false,
      parsers: { timestampFromMicroseconds: (micros) => micros },
      onChunk: ({ columnName, columnData }) => {
        const target = columns[at.get(columnName)!]!;
        for (const value of columnData) target.push(value ?? null);
      },
    });
    yield columns;
    rowStart = rowEnd;
  }
}

function decompressed(input: Uint8Array, length: number): Uint8Array {
  return length === 0 ? new Uint8Array(0) : zstdDecompressSync(input);
}
