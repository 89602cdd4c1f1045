/**
 * The data of ICU (Unicode's library for languages) that lies inside of Node: 33 MB, of which a gateway needs what English and
 * plain Unicode need. The rest is made zero, in place: nothing moves, and zeros take no room once they are compressed.
 */

/** Every collection of ICU's data has this at byte 12 of its header, and at byte 2 the magic number (unicode/udata.h). */
const COLLECTION = "CmnD";
const MAGIC = Buffer.from([0xda, 0x27]);
const HEADER_FORMAT_AT = 12;

/** Names of languages and regions, as their files are called: de, sr_Latn_BA, ca_ES_VALENCIA. */
const LOCALE = /^[a-z]{2,3}(?:_[A-Za-z0-9]+)*$/u;
const ENGLISH = /^en(?:_|$)/u;
/** Shared by all languages. */
const SHARED = new Set(["root", "pool", "res_index", "supplementalData"]);

export interface BlankedData {
  /** Items that were made zero, and bytes of them. */
  readonly items: number;
  readonly bytes: number;
}

/**
 * Makes zero in a program what no English text needs: other languages, other scripts' dictionaries, tables of encodings that
 * are not Unicode's. What asks for such an item is told that it is not to be had. Throws where the program has no such data
 * or that is not built as it is known here: a Node that is built otherwise must be looked at by people.
 */
export function blankForeignLanguages(program: Buffer): BlankedData {
  const items = itemsOf(program).filter(({ name }) => !isNeeded(name));
  let bytes = 0;
  for (const { start, end } of items) {
    program.fill(0, start, end);
    bytes += end - start;
  }
  return { items: items.length, bytes };
}

/** Whether an item, such as icudt78l/curr/de_AT.res, is one that English or no language at all needs. */
export function isNeeded(item: string): boolean {
  const [folder, file] = item.split("/").slice(-2) as [string, string];
  const [, name, kind] = /^(.*)\.([^.]*)$/u.exec(file) ?? [];
  if (name === undefined || kind === undefined) throw new Error(`ICU's data has an item of unknown kind: ${item}`);
  // Tables of encodings, and words of scripts that put no blanks between them.
  if (kind === "cnv" || kind === "dict") return false;
  if (folder === "translit") return false;
  if (kind !== "res" || SHARED.has(name)) return true;
  return ENGLISH.test(name) || !LOCALE.test(name);
}

interface Item {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** The items of the one collection, but for the last one, whose end the table does not say. */
function itemsOf(program: Buffer): Item[] {
  const header = collectionIn(program);
  const table = header + program.readUInt16LE(header);
  const count = program.readUInt32LE(table);
  const entries = Array.from({ length: count }, (_, index) => {
    const entry = table + 4 + 8 * index;
    const name = table + program.readUInt32LE(entry);
    return {
      name: program.toString("latin1", name, program.indexOf(0, name)),
      start: table + program.readUInt32LE(entry + 4),
    };
  });
  return entries.slice(0, -1).map((entry, index) => {
    const end = entries[index + 1]!.start;
    if (!/^icudt\d+l\//u.test(entry.name) || end < entry.start || end > program.length)
      throw new Error(`ICU's data is not built as expected at its item ${index}`);
    return { name: entry.name, start: entry.start, end };
  });
}

function collectionIn(program: Buffer): number {
  const found: number[] = [];
  for (let at = program.indexOf(COLLECTION); at >= 0; at = program.indexOf(COLLECTION, at + 1)) {
    const header = at - HEADER_FORMAT_AT;
    if (header >= 0 && program.subarray(header + 2, header + 4).equals(MAGIC)) found.push(header);
  }
  if (found.length !== 1)
    throw new Error(`expected one collection of ICU's data in the program, found ${found.length}`);
  return found[0]!;
}
