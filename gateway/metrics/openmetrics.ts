/**
 * OpenMetrics 1.0 text, as far as a gateway needs it: counters, gauges and histograms with labels.
 * https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 */
export const OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

interface FamilyHead {
  /** Without `_total`; ends with the unit when there is one. */
  readonly name: string;
  readonly help: string;
  readonly unit?: "bytes" | "seconds" | "ratio";
}

export type Family =
  | (FamilyHead & { readonly type: "counter" | "gauge"; readonly samples: readonly Sample[] })
  | (FamilyHead & { readonly type: "histogram"; readonly histogram: HistogramSnapshot });

export interface HistogramSnapshot {
  /** Upper bounds, ascending, without infinity. */
  readonly bounds: readonly number[];
  /** One count per bound and one for what is above the last; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Throws RangeError for a name that the format does not allow: names are the program's own. */
export function formatOpenMetrics(families: readonly Family[]): string {
  return `${families.map(formatFamily).join("")}# EOF\n`;
}

function formatFamily(family: Family): string {
  const { name, help, unit, type } = family;
  if (!/^[a-z][a-z0-9_]*$/.test(name) || name.endsWith("_total")) throw new RangeError(`${name} is no family name`);
  if (unit !== undefined && !name.endsWith(`_${unit}`)) throw new RangeError(`${name} does not end with ${unit}`);
  const unitLine = unit === undefined ? "" : `# UNIT ${name} ${unit}\n`;
  const head = `# TYPE ${name} ${type}\n${unitLine}# HELP ${name} ${escape(help)}\n`;
  if (family.type === "histogram") return head + formatHistogram(name, family.histogram);
  const suffix = type === "counter" ? "_total" : "";
  return head + family.samples.map(([labels, value]) => formatSample(name + suffix, labels, value)).join("");
}

function formatHistogram(name: string, { bounds, counts, sum }: HistogramSnapshot): string {
  let cumulative = 0;
  let text = "";
  for (const [index, count] of counts.entries()) {
    cumulative += count;
    const le = index < bounds.length ? formatBound(bounds[index]!) : "+Inf";
    text += formatSample(`${name}_bucket`, { le }, cumulative);
  }
  return `${text}${name}_count ${cumulative}\n${name}_sum ${sum}\n`;
}

/** Bounds are floats in the format: `1` is written `1.0`. */
function formatBound(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function formatSample(name: string, labels: Labels, value: number): string {
  const text = Object.entries(labels)
    .map(([key, content]) => `${key}="${escape(content)}"`)
    .join(",");
  const number = Number.isNaN(value) ? "NaN" : value === Infinity ? "+Inf" : String(value);
  return `${name}${text === "" ? "" : `{${text}}`} ${number}\n`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Counts observations into fixed buckets; nothing is allocated per observation. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  snapshot(): HistogramSnapshot {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }
}
