import { LOG_CONTENT_TYPES, type LogRepresentation } from "../log/log-line.ts";

/** In the order in which they are given when a client likes them equally. */
const FORMATS: readonly LogRepresentation[] = ["ndjson", "cbor", "batches"];

/** The format of the log that an Accept header likes best (RFC 9110 §12.5.1), or undefined when it takes none. */
export function acceptedFormat(header: string): LogRepresentation | undefined {
  const ranges = header.split(",").map(readRange);
  let best: { format: LogRepresentation; weight: number } | undefined;
  for (const format of FORMATS) {
    const weight = weightOf(LOG_CONTENT_TYPES[format], ranges);
    if (weight > (best?.weight ?? 0)) best = { format, weight };
  }
  return best?.format;
}

interface MediaRange {
  readonly type: string;
  readonly weight: number;
}

function readRange(text: string): MediaRange {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  const weight = q === undefined ? 1 : Number(q);
  return { type, weight: weight >= 0 && weight <= 1 ? weight : 0 };
}

/** What the most specific range that fits says; 0 when none fits. */
function weightOf(contentType: string, ranges: readonly MediaRange[]): number {
  const family = `${contentType.split("/")[0]}/*`;
  for (const wanted of [contentType, family, "*/*"]) {
    const found = ranges.find(({ type }) => type === wanted);
    if (found !== undefined) return found.weight;
  }
  return 0;
}
