import { PNG } from "pngjs";
import createQrCode from "qrcode-generator";
import { GLYPH_DOTS, isInk } from "./glyphs.ts";

/**
 * The label that goes on a gateway's box: a QR code (ISO/IEC 18004) with its id and claim code, and the same for people.
 */
export interface LabelFacts {
  readonly version: string;
  readonly hostname?: string | undefined;
  /** Id in hex; undefined until the first boot has made a key. */
  readonly id?: string | undefined;
  readonly claim?: string | undefined;
}

/** Pixels of one QR module, and of the quiet zone around (four modules, ISO/IEC 18004 §9.1). */
const MODULE = 8;
const QUIET = 4 * MODULE;
const DOT = 3;
const LINE = (GLYPH_DOTS.high + 3) * DOT;
const LETTER = (GLYPH_DOTS.wide + 1) * DOT;
/** Hex digits of an id on one line. */
const ID_LINE = 32;

/** What the QR code says: a URI that needs no network to be read. */
export function labelUri({ id, claim, hostname }: LabelFacts): string {
  const fields = Object.entries({ id, claim, hostname }).filter(([, value]) => value !== undefined);
  return `paddock:gateway?${new URLSearchParams(fields as [string, string][]).toString()}`;
}

/** The lines beside the code. */
export function labelLines({ id, claim, hostname, version }: LabelFacts): string[] {
  const idLines = id === undefined ? ["ID: MADE AT FIRST BOOT"] : ["ID", id.slice(0, ID_LINE), id.slice(ID_LINE)];
  return [
    `PADDOCK ${version}`,
    ...(hostname === undefined ? [] : [hostname]),
    ...idLines,
    ...(claim === undefined ? [] : ["CLAIM CODE", claim]),
  ];
}

/** A PNG, black on white. */
export function labelPng(facts: LabelFacts): Buffer {
  // 0: the smallest version that fits. M: 15 % of the code may be dirty.
  const code = createQrCode(0, "M");
  code.addData(labelUri(facts), "Byte");
  code.make();
  const side = code.getModuleCount() * MODULE + 2 * QUIET;
  const lines = labelLines(facts);
  const width = side + Math.max(...lines.map((line) => line.length)) * LETTER + QUIET;
  const height = Math.max(side, lines.length * LINE + 2 * QUIET);
  const png = new PNG({ width, height });
  png.data.fill(0xff);
  const ink = (left: number, top: number, size: number) => {
    for (let y = top; y < top + size; y++) {
      for (let x = left; x < left + size; x++) png.data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  };
  for (let y = 0; y < code.getModuleCount(); y++) {
    for (let x = 0; x < code.getModuleCount(); x++) {
      if (code.isDark(y, x)) ink(QUIET + x * MODULE, QUIET + y * MODULE, MODULE);
    }
  }
  for (const [row, line] of lines.entries()) {
    for (const [column, character] of line.split("").entries()) {
      for (let y = 0; y < GLYPH_DOTS.high; y++) {
        for (let x = 0; x < GLYPH_DOTS.wide; x++) {
          if (isInk(character, x, y)) ink(side + column * LETTER + x * DOT, QUIET + row * LINE + y * DOT, DOT);
        }
      }
    }
  }
  return PNG.sync.write(png);
}
