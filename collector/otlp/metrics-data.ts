import type { MetricObjectWithValues, MetricValue } from "prom-client";

/**
 * What is told by OTLP, made from the same list as the page for Prometheus: the metrics under the same names, which
 * Prometheus's own translation gives back. Without their values' times, which are those of the request.
 */
export type Metric = {
  readonly name: string;
  readonly description: string;
  /** UCUM; empty for a count of things, and for what has no unit. */
  readonly unit: "s" | "By" | "";
} & (
  | { readonly kind: "gauge" | "sum"; readonly points: readonly NumberPoint[] }
  | { readonly kind: "histogram"; readonly points: readonly HistogramPoint[] }
);

export interface NumberPoint {
  readonly attributes: Attributes;
  readonly value: number;
}

export interface HistogramPoint {
  readonly attributes: Attributes;
  readonly count: number;
  readonly sum: number;
  /** Upper bounds, each with those at or below it and above the one before; one count more, of those above the last. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

export type Attributes = readonly (readonly [key: string, value: string])[];

export type Family = Pick<MetricObjectWithValues<MetricValue<string>>, "name" | "help" | "values"> & {
  readonly type: unknown;
};

/** Families without a value are left out, and so is a value that is no number: an event loop that was not looked at yet. */
export function metricsOf(families: readonly Family[]): Metric[] {
  return families.map(metricOf).filter(({ points }) => points.length > 0);
}

function metricOf({ name, help, type, values }: Family): Metric {
  const told = { description: help, unit: unitOf(name) };
  if (type === "histogram") return { ...told, name, kind: "histogram", points: histogramPoints(name, values) };
  const points = values
    .filter(({ value }) => Number.isFinite(value))
    .map(({ value, labels }) => ({ value, attributes: attributesOf(labels) }));
  // That a sum has a total is what a sum is: receivers that want it in the name put it there.
  if (type === "counter") return { ...told, name: name.replace(/_total$/u, ""), kind: "sum", points };
  if (type === "gauge") return { ...told, name, kind: "gauge", points };
  throw new TypeError(`${name} is a ${String(type)}, which is not told by OTLP`);
}

function unitOf(name: string): Metric["unit"] {
  const last = name
    .replace(/_total$/u, "")
    .split("_")
    .at(-1);
  if (last === "seconds") return "s";
  return last === "bytes" ? "By" : "";
}

function attributesOf(labels: Readonly<Record<string, string | number | undefined>>): Attributes {
  return Object.entries(labels).map(([key, value]) => [key, String(value)]);
}

function histogramPoints(name: string, values: Family["values"]): HistogramPoint[] {
  const points = new Map<string, { attributes: Attributes; sum: number; upTo: [bound: number, count: number][] }>();
  for (const sample of values) {
    const { le, ...labels } = sample.labels as Record<string, string | number>;
    const attributes = attributesOf(labels);
    const key = JSON.stringify(attributes);
    const point = points.get(key) ?? { attributes, sum: 0, upTo: [] };
    points.set(key, point);
    const part = (sample as { metricName?: string }).metricName;
    if (part === `${name}_sum`) point.sum = sample.value;
    if (part === `${name}_bucket`) point.upTo.push([le === "+Inf" ? Infinity : Number(le), sample.value]);
  }
  return [...points.values()].map(({ attributes, sum, upTo }) => {
    const inOrder = upTo.toSorted(([left], [right]) => left - right);
    return {
      attributes,
      count: inOrder.at(-1)?.[1] ?? 0,
      sum,
      bounds: inOrder.slice(0, -1).map(([bound]) => bound),
      counts: inOrder.map(([, count], index) => count - (inOrder[index - 1]?.[1] ?? 0)),
    };
  });
}
