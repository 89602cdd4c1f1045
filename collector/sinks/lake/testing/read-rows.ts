import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import type { LakeDisk } from "../lake-disk.ts";

/** `offset.part name` of every row that a reader finds, in no order. */
export async function readKeys(disk: LakeDisk): Promise<string[]> {
  const keys: string[] = [];
  for (const path of await disk.list()) {
    if (!path.endsWith(".parquet")) continue;
    for (const row of await readObjects((await disk.read(path))!)) {
      keys.push(`${String(row["log_offset"])}.${String(row["part"])} ${String(row["name"])}`);
    }
  }
  return keys;
}

export function readObjects(bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  const file = Uint8Array.from(bytes).buffer;
  return parquetReadObjects({
    file,
    utf8: false,
    compressors: { ZSTD: (input, length) => (length === 0 ? new Uint8Array(0) : zstdDecompressSync(input)) },
    parsers: { timestampFromMicroseconds: (micros) => micros },
  });
}
