import { readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Reads which tables a LevelDB directory's MANIFEST names (LevelDB's doc/impl.md and doc/log_format.md). LevelDB deletes
 * all others when it opens, and writes new files over them, so nobody may open a directory before he knows them.
 */
export async function tablesNamed(directory: string): Promise<ReadonlySet<number> | undefined> {
  try {
    const current = (await readFile(join(directory, "CURRENT"), "utf8")).trimEnd();
    if (!/^MANIFEST-\d+$/.test(current)) return undefined;
    return tablesOf(await readFile(join(directory, current)));
  } catch {
    return undefined;
  }
}

/** The number of a table's file, or undefined for another file. */
export function tableNumber(name: string): number | undefined {
  const match = /^(\d+)\.(?:ldb|sst)$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** The tables that are left after all edits of a MANIFEST, up to the first that is cut or not understood. */
export function tablesOf(manifest: Uint8Array): ReadonlySet<number> {
  const live = new Set<number>();
  for (const record of recordsOf(manifest)) {
    const edit = editOf(record);
    if (edit === undefined) break;
    for (const number of edit.deleted) live.delete(number);
    for (const number of edit.added) live.add(number);
  }
  return live;
}

const BLOCK_BYTES = 32_768;
/** Checksum, length, type. */
const RECORD_HEAD_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** Records of LevelDB's log format. Checksums are LevelDB's own business: it refuses a MANIFEST whose do not hold. */
function* recordsOf(bytes: Uint8Array): Generator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let at = 0;
  while (at + RECORD_HEAD_BYTES <= bytes.length) {
    const leftInBlock = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (leftInBlock < RECORD_HEAD_BYTES) {
      at += leftInBlock;
      continue;
    }
    const length = bytes[at + 4]! | (bytes[at + 5]! << 8);
    const type = bytes[at + 6]!;
    const end = at + RECORD_HEAD_BYTES + length;
    if (type < FULL || type > LAST || end > bytes.length) return;
    if (type === FULL || type === FIRST) parts = [];
    parts.push(bytes.subarray(at + RECORD_HEAD_BYTES, end));
    if (type === FULL || type === LAST) yield Buffer.concat(parts);
    at = end;
  }
}

interface Edit {
  readonly added: number[];
  readonly deleted: number[];
}

/** One version edit: tagged fields, of which only those about tables count here. */
function editOf(record: Uint8Array): Edit | undefined {
  const edit: Edit = { added: [], deleted: [] };
  const reader = new VarintReader(record);
  while (!reader.atEnd) {
    switch (reader.number()) {
      case 1:
        reader.skipText();
        break;
      case 2:
      case 3:
      case 4:
      case 9:
        reader.number();
        break;
      case 5:
        reader.number();
        reader.skipText();
        break;
      case 6:
        reader.number();
        edit.deleted.push(reader.number());
        break;
      case 7:
        reader.number();
        edit.added.push(reader.number());
        reader.number();
        reader.skipText();
        reader.skipText();
        break;
      default:
        return undefined;
    }
  }
  return reader.overrun ? undefined : edit;
}

class VarintReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get overrun(): boolean {
    return this.#at > this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  skipText(): void {
    const length = this.number();
    this.#at += length;
  }
}
