import type { BlockMap } from "./block-map.ts";
import type { DiskFile } from "./disk-file.ts";
import { readTable, SECTOR_BYTES, TABLE_BYTES, type Partition } from "@paddock/wire/gpt.ts";
import type { Progress } from "./write-image.ts";

/** What a partition of a disk is, compared with the image. */
export interface ComparedPartition {
  readonly label: string;
  readonly state: "same" | "differs" | "missing";
  /** First byte of the disk that differs. */
  readonly at: number | undefined;
  /** Whether a running gateway writes to it, so that a difference says nothing. */
  readonly changes: boolean;
}

/** Written while a gateway runs: the count of boots, and what people put in. */
const CHANGING: ReadonlySet<string> = new Set(["esp", "CONFIG", "_empty"]);

/**
 * Compares a disk with an image, partition by partition; both partition tables are read. Data, which no image has, is
 * not looked at, nor what the map leaves out, which need not have been written. An empty answer: the image has no
 * partition table.
 */
export async function compareWithImage(
  chunks: AsyncIterable<Uint8Array>,
  map: BlockMap | undefined,
  disk: DiskFile,
  progress: Progress,
): Promise<ComparedPartition[]> {
  const looked = map?.ranges ?? [{ from: 0, to: Number.POSITIVE_INFINITY }];
  let head = Buffer.alloc(0);
  let at = 0;
  let wanted: readonly Partition[] | undefined;
  const onDisk = readTable(await disk.read(0, TABLE_BYTES));
  const differs = new Map<number, number>();
  for await (const chunk of chunks) {
    if (wanted === undefined) {
      head = Buffer.concat([head, chunk]);
      if (head.length < TABLE_BYTES) continue;
      const table = readTable(head);
      if (!table.ok) return [];
      wanted = table.value.partitions;
      await compareChunk({ bytes: head, at: 0 }, wanted, looked, disk, differs);
      at = head.length;
    } else {
      await compareChunk({ bytes: chunk, at }, wanted, looked, disk, differs);
      at += chunk.length;
    }
    progress(at, at);
  }
  const labels = new Set(onDisk.ok ? onDisk.value.partitions.map(({ label }) => label) : []);
  return (wanted ?? []).map(({ index, label }) => {
    const place = differs.get(index);
    const state = !labels.has(label) ? "missing" : place === undefined ? "same" : "differs";
    return { label, state, at: place, changes: CHANGING.has(label) };
  });
}

interface Chunk {
  readonly bytes: Uint8Array;
  /** Of its first byte on the disk. */
  readonly at: number;
}

async function compareChunk(
  { bytes, at }: Chunk,
  partitions: readonly Partition[],
  looked: readonly { readonly from: number; readonly to: number }[],
  disk: DiskFile,
  differs: Map<number, number>,
): Promise<void> {
  const ranges = looked.filter(({ from, to }) => to > at && from < at + bytes.length);
  for (const { index, firstSector, lastSector } of partitions) {
    for (const range of ranges) {
      const from = Math.max(at, range.from, firstSector * SECTOR_BYTES);
      const to = Math.min(at + bytes.length, range.to, (lastSector + 1) * SECTOR_BYTES);
      if (from >= to || differs.has(index)) continue;
      const wanted = Buffer.from(bytes.buffer, bytes.byteOffset + from - at, to - from);
      const found = await disk.read(from, to - from);
      if (wanted.equals(found)) continue;
      differs.set(index, from + wanted.findIndex((byte, place) => byte !== found[place]));
    }
  }
}
