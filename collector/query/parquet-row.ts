import { zstdDecompressSync } from "node:zlib";
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { COLUMNS, type FieldValue } from "../sinks/lake/columns.ts";

/** A row of a file of the lake, and what the file says of itself. */
export interface FileRow {
  /** Its place in the file, from 0. */
  readonly row: number;
  /** Its key. */
  readonly offset: number;
  readonly part: number;
  /** By column. */
  readonly values: Readonly<Record<string, FieldValue>>;
  /** Name of the log that the file was made from; undefined when the file has none. */
  readonly log: string | undefined;
}

/** Which row is meant: by its place in the file, or by its key. */
export type RowChoice = { readonly row: number } | { readonly offset: number; readonly part: number };

/** A page is far smaller; a file that says otherwise is none of the lake's. */
const PAGE_BYTES_MAX = 268_435_456;

const OPTIONS = {
  compressors: { ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes, { maxOutputLength: PAGE_BYTES_MAX }) },
  // By default times lose their microseconds.
  parsers: { timestampFromMicroseconds: (micros: bigint) => micros },
  utf8: false,
};

interface OpenFile {
  readonly path: string;
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
}

/** Reads one row of a file of the lake, by another implementation of Parquet than wrote it. Throws PaddockError USAGE. */
export async function readFileRow(path: string, choice: RowChoice): Promise<FileRow> {
  try {
    const file = await asyncBufferFromFile(path);
    const opened = { path, file, metadata: await parquetMetadataAsync(file) };
    refuseForeign(opened);
    return await readRow(opened, "row" in choice ? choice.row : await rowOfKey(opened, choice));
  } catch (error) {
    if (error instanceof PaddockError) throw error;
    throw new PaddockError("USAGE", `${path} cannot be read as Parquet: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Name a file of the lake: site=…/date=…/measurement=…/part-….parquet.",
    });
  }
}

function refuseForeign({ path, metadata }: OpenFile): void {
  const columns = new Set(metadata.schema.map(({ name }) => name));
  const missing = COLUMNS.map(({ name }) => name).filter((name) => !columns.has(name));
  if (missing.length === 0) return;
  throw new PaddockError("USAGE", `${path} is no file of the lake: it has no column ${missing.join(", ")}.`, {
    remedy:
      "A query's result saved as Parquet is none: take the file that the reading stands in, or --offset and --part.",
  });
}

async function rowOfKey({ path, file, metadata }: OpenFile, key: { offset: number; part: number }): Promise<number> {
  const columns = ["log_offset", "part"];
  const keys = await parquetReadObjects({ ...OPTIONS, file, metadata, columns });
  const row = keys.findIndex((one) => one["log_offset"] === BigInt(key.offset) && one["part"] === key.part);
  if (row >= 0) return row;
  throw new PaddockError("USAGE", `${path} has no row with log_offset ${key.offset} and part ${key.part}.`);
}

async function readRow({ path, file, metadata }: OpenFile, row: number): Promise<FileRow> {
  if (row >= metadata.num_rows) {
    throw new PaddockError("USAGE", `${path} has ${metadata.num_rows} rows; there is no row ${row}, counted from 0.`);
  }
  const found = (await parquetReadObjects({ ...OPTIONS, file, metadata, rowStart: row, rowEnd: row + 1 }))[0]!;
  const values = Object.fromEntries(COLUMNS.map(({ name }) => [name, (found[name] ?? null) as FieldValue]));
  const [offset, part] = [Number(values["log_offset"]), values["part"] as number];
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new PaddockError(
      "USAGE",
      `${path}, row ${row}: its log_offset is ${String(values["log_offset"])}, which none is.`,
    );
  }
  const log = metadata.key_value_metadata?.find(({ key }) => key === "paddock.log")?.value;
  return { row, offset, part, values, log };
}
