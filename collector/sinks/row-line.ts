import { rfc3339 } from "./rfc3339.ts";
import type { Row } from "./row.ts";

/**
 * A row as a line of NDJSON, the same wherever rows are lines: its fields under their names, the value in the one of its
 * kind, those that are null left out; the time as RFC 3339 with microseconds, data in base64. `site` where it is known.
 */
export function rowLine(row: Row, site?: string): string {
  const { offset, part, timeUs, data, ...rest } = row;
  const line: Record<string, unknown> = {
    offset,
    part,
    time: rfc3339(timeUs),
    ...(site === undefined ? {} : { site }),
  };
  for (const [name, value] of Object.entries(rest)) if (value !== null) line[name] = value;
  if (data !== null) line["data"] = Buffer.from(data.buffer, data.byteOffset, data.length).toString("base64");
  return `${JSON.stringify(line)}\n`;
}
