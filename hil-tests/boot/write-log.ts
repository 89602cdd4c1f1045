import { open, type FileHandle } from "node:fs/promises";

/*
 * What a disk with a cache of its own may have kept when its power went. The emulator writes down every write and every
 * flush in their order (its driver blklogwrites; Linux's Documentation/admin-guide/device-mapper/log-writes.rst has the
 * format). From the disk as it was at the start and that log comes a disk as a cut may leave it: all that was written
 * before the last flush, and of what came later some, in any order.
 */

/** What a log begins with. */
const MAGIC = 0x6a_7366_7773_6872n;
const FLUSH = 1n;
const FORCED = 2n;
const DISCARD = 4n;

export interface LoggedWrite {
  /** Byte of the disk. */
  readonly to: number;
  /** Bytes; of the log where `from` is a place, else of zeros that a discard left. */
  readonly length: number;
  readonly from: number | undefined;
  /** Which one it was. */
  readonly order: number;
}

/** What the disk was told at once. */
export interface LogEntry {
  readonly flush: boolean;
  /** Whether the write was safe as soon as it was answered. */
  readonly forced: boolean;
  readonly write: LoggedWrite | undefined;
  /** Byte of the log behind it. */
  readonly end: number;
}

/** What the disk was told, in order. */
export interface WriteLog {
  /** Writes that a flush behind them made safe, or that were safe by themselves, in the order in which they became it. */
  readonly safe: readonly LoggedWrite[];
  /** Writes behind the last flush: the disk answered for them, and promised nothing. */
  readonly loose: readonly LoggedWrite[];
  readonly flushes: number;
}

/** Reads the log up to its end, or to the entry that was being written when the emulator was killed. */
export async function readWriteLog(path: string): Promise<WriteLog> {
  return cutAt(await readLogEntries(path));
}

/** What was safe, and what was not, when the log had so many bytes; default: all. */
export function cutAt(entries: readonly LogEntry[], bytes = Infinity): WriteLog {
  const safe: LoggedWrite[] = [];
  let loose: LoggedWrite[] = [];
  let flushes = 0;
  for (const { flush, forced, write, end } of entries) {
    if (end > bytes) break;
    // A flush counts for what came before; what comes with it is as loose as any write, unless it is forced.
    if (flush) {
      safe.push(...loose);
      loose = [];
      flushes++;
    }
    if (write !== undefined) (forced ? safe : loose).push(write);
  }
  return { safe, loose, flushes };
}

/** All entries of a log, but for one that was being written when the emulator was killed. */
export async function readLogEntries(path: string): Promise<LogEntry[]> {
  const file = await open(path, "r");
  try {
    const header = await take(file, 0, 28);
    if (header?.readBigUInt64LE(0) !== MAGIC) throw new Error(`${path} is no log of writes`);
    const sector = header.readUInt32LE(24);
    const entries: LogEntry[] = [];
    for (let at = sector; ;) {
      const entry = await take(file, at, 32);
      if (entry === undefined) break;
      const [to, sectors, flags] = [entry.readBigUInt64LE(0), entry.readBigUInt64LE(8), entry.readBigUInt64LE(16)];
      if (to === 0n && sectors === 0n && flags === 0n) break;
      const [flush, forced] = [(flags & FLUSH) !== 0n, (flags & FORCED) !== 0n];
      at += sector;
      const length = Number(sectors) * sector;
      const from = (flags & DISCARD) === 0n ? at : undefined;
      if (from !== undefined) at += length;
      const whole = length === 0 || from === undefined || (await take(file, at - 1, 1)) !== undefined;
      const write = { to: Number(to) * sector, length, from, order: entries.length };
      entries.push({ flush, forced, write: length > 0 && whole ? write : undefined, end: at });
      if (!whole) break;
    }
    return entries;
  } finally {
    await file.close();
  }
}

/**
 * Makes of the disk as it was at the start one as the cut may have left it. `keep` says of each loose write whether the
 * disk still did it. Resolves with how many were lost.
 */
export async function replay(
  log: WriteLog,
  logPath: string,
  disk: string,
  keep: (index: number) => boolean,
): Promise<number> {
  const [source, target] = [await open(logPath, "r"), await open(disk, "r+")];
  try {
    const kept = log.loose.filter((_write, index) => keep(index));
    // A forced write is safe before one to the same place that came earlier.
    for (const { to, length, from } of [...log.safe, ...kept].toSorted((a, b) => a.order - b.order)) {
      const bytes = Buffer.alloc(length);
      if (from !== undefined) await source.read(bytes, 0, length, from);
      await target.write(bytes, 0, length, to);
    }
    await target.sync();
    return log.loose.length - kept.length;
  } finally {
    await source.close();
    await target.close();
  }
}

async function take(file: FileHandle, at: number, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  return bytesRead === length ? bytes : undefined;
}
