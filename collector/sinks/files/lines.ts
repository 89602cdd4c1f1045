import type { FilesConfig } from "../config.ts";
import { rowLine } from "../row-line.ts";
import type { Row } from "../row.ts";

export type LineFormat = FilesConfig["format"];

export interface Lines {
  /** What the names of its files end in. */
  readonly ending: string;
  /** A row with its site as a line, the line's end in it. */
  line(row: Row, site: string): string;
  /** Why there is no such line for a row. */
  whyNot(row: Row): string | undefined;
  /** The log offset of a line, or undefined when it is none of ours. */
  offsetOf(line: string): number | undefined;
}

export const LINES: Readonly<Record<LineFormat, Lines>> = {
  ndjson: { ending: ".ndjson", line: rowLine, whyNot: () => undefined, offsetOf: (line) => numberAt(NDJSON, line) },
  influx: {
    ending: ".lp",
    line: influxLine,
    whyNot: whyNoInfluxLine,
    offsetOf: (line) => numberAt(INFLUX_FIELDS, line),
  },
};

const NDJSON = /^\{"offset":(\d{1,16}),/u;

/**
 * InfluxDB line protocol: the name as measurement; gateway, site, source, lane and unit as tags; log offset and place in
 * the pack as integers; the value in a field of its kind; the time in nanoseconds. A number is always a float, as a field
 * of a measurement has one type for good.
 */
function influxLine(row: Row, site: string): string {
  const { name, gateway, source, lane, unit, offset, part, timeUs } = row;
  let line = escaped(name, /[, ]/gu);
  line += `,gateway=${gateway},lane=${lane}`;
  line += `,site=${tag(cleaned(site))},source=${tag(source)}`;
  if (unit !== null && unit !== "") line += `,unit=${tag(unit)}`;
  line += ` offset=${offset}i,part=${part}i`;
  if (row.number !== null) line += `,value=${row.number}`;
  if (row.exact !== null) line += `,exact=${quoted(row.exact)}`;
  if (row.whyNoNumber !== null) line += `,why=${quoted(row.whyNoNumber)}`;
  if (row.text !== null) line += `,text=${quoted(row.text)}`;
  if (row.flag !== null) line += `,flag=${row.flag}`;
  if (row.sum !== null) line += `,sum=${row.sum}`;
  line += `,time_by=${quoted(row.timeBy)},clock=${quoted(row.clock)}`;
  return `${line} ${timeUs === 0 ? "0" : `${timeUs}000`}\n`;
}

function whyNoInfluxLine({ source, text, data, unit, name }: Row): string | undefined {
  if (data !== null) return "data has no type in line protocol; a sink of format ndjson keeps it";
  if (text !== null && LINE_BREAK.test(text)) return "text with a line break has no place in a file of line protocol";
  for (const value of [name, source, unit ?? ""]) {
    if (CONTROL.test(value)) return "a control character has no place in a tag of line protocol";
    // Behind it stands what ends the tag, and a backslash would escape that.
    if (value.endsWith("\\")) return "a tag of line protocol cannot end in a backslash";
  }
  return undefined;
}

const LINE_BREAK = /[\n\r]/u;
const CONTROL = /\p{Cc}/u;

/** A site is a name that an operator or a gateway gave, and no measurement: what a tag cannot hold becomes `_`. */
function cleaned(site: string): string {
  return site.replaceAll(/\p{Cc}/gu, "_").replace(/\\+$/u, "_");
}

function tag(value: string): string {
  return escaped(value, /[,= ]/gu);
}

function escaped(text: string, what: RegExp): string {
  return text.replaceAll(what, String.raw`\$&`);
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/gu, String.raw`\$&`)}"`;
}

/** The first fields of a line. No tag looks like them: there a comma and an equals sign have a backslash before them. */
const INFLUX_FIELDS = / offset=(\d{1,16})i,part=/u;

function numberAt(pattern: RegExp, line: string): number | undefined {
  const found = pattern.exec(line);
  return found === null ? undefined : Number(found[1]);
}
