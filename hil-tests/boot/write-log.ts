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

interface LoggedWrite {
  /** Byte of the disk. */
  readonly to: number;
  /** Bytes; of the log where `from` is a place, else of zeros that a discard left. */
  readonly length: number;
  readonly from: number | undefined;
}

/** What the disk was told, in order. */
export interface WriteLog {
  /** Writes that a flush behind them made safe, or that were safe by themselves. */
  readonly safe: readonly LoggedWrite[];
  /** Writes behind the last flush: the disk answered for them, and promised nothing. */
  readonly loose: readonly LoggedWrite[];
  readonly flushes: number;
}

/** Reads the log up to its end, or to the entry that was being written when the emulator was killed. */
export async function readWriteLog(path: string): Promise<WriteLog> {
  const file = await open(path, "r");
  try {
    const header = await take(file, 0, 28);
    if (header?.readBigUInt64LE(0) !== MAGIC) throw new Error(`${path} is no log of writes`);
    const sector = header.readUInt32LE(24);
    const safe: LoggedWrite[] = [];
    let loose: LoggedWrite[] = [];
    let flushes = 0;
    for (let at = sector; ;) {
      const entry = await take(file, at, 32);
      if (entry === undefined) break;
      const [to, sectors, flags] = [entry.readBigUInt64LE(0), entry.readBigUInt64LE(8), entry.readBigUInt64LE(16)];
      if (to === 0n && sectors === 0n && flags === 0n) break;
      at += sector;
      const length = Number(sectors) * sector;
      const discarded = (flags & DISCARD) !== 0n;
      // A flush counts for what came before; what comes with it is as loose as any write, unless it is forced.
      if ((flags & FLUSH) !== 0n) {
        safe.push(...loose);
        loose = [];
        flushes++;
      }
      if (length > 0) {
        const write = { to: Number(to) * sector, length, from: discarded ? undefined : at };
        if (!discarded && (await take(file, at + length - 1, 1)) === undefined) break;
        ((flags & FORCED) === 0n ? loose : safe).push(write);
      }
      if (!discarded) at += Math.ceil(length / sector) * sector;
    }
    return { safe, loose, flushes };
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
    for (const { to, length, from } of [...log.safe, ...kept]) {
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
