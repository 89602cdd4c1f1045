import type { Attributes, HistogramPoint, Metric, NumberPoint } from "./metrics-data.ts";
import { double, fixed64, message, packedDoubles, packedFixed64, readFields, text, varint } from "./protobuf.ts";

/** The messages of opentelemetry/proto/collector/metrics/v1, by the numbers of their fields. */

export interface ExportRequest {
  /** Who tells: the resource's attributes. */
  readonly resource: Attributes;
  readonly scope: { readonly name: string; readonly version: string };
  readonly metrics: readonly Metric[];
  /** Unix ms since when sums and histograms count. */
  readonly startMs: number;
  /** Unix ms of the values. */
  readonly nowMs: number;
}

/** AGGREGATION_TEMPORALITY_CUMULATIVE: what was counted since the start, so that a request that is lost loses nothing. */
const CUMULATIVE = 2;

/** An ExportMetricsServiceRequest. */
export function encodeExportRequest({ resource, scope, metrics, ...times }: ExportRequest): Buffer {
  const scopeMetrics = message(2, [
    message(1, [text(1, scope.name), text(2, scope.version)]),
    ...metrics.map((metric) => encodeMetric(metric, times)),
  ]);
  return message(1, [message(1, encodeAttributes(1, resource)), scopeMetrics]);
}

type Times = Pick<ExportRequest, "startMs" | "nowMs">;

function encodeMetric(metric: Metric, times: Times): Buffer {
  const head = [text(1, metric.name), text(2, metric.description), text(3, metric.unit)];
  switch (metric.kind) {
    case "gauge":
      return message(2, [...head, message(5, encodeNumbers(metric.points, times))]);
    case "sum":
      return message(2, [
        ...head,
        message(7, [...encodeNumbers(metric.points, times), varint(2, CUMULATIVE), varint(3, 1)]),
      ]);
    case "histogram": {
      const points = metric.points.map((point) => encodeHistogram(point, times));
      return message(2, [...head, message(9, [...points, varint(2, CUMULATIVE)])]);
    }
  }
}

/** All as doubles, which is what they are here: a series that changes between whole numbers and others is two to some. */
function encodeNumbers(points: readonly NumberPoint[], times: Times): Buffer[] {
  return points.map(({ attributes, value }) =>
    message(1, [...encodeTimes(times), double(4, value), ...encodeAttributes(7, attributes)]),
  );
}

function encodeHistogram({ attributes, count, sum, bounds, counts }: HistogramPoint, times: Times): Buffer {
  return message(1, [
    ...encodeTimes(times),
    fixed64(4, BigInt(count)),
    double(5, sum),
    packedFixed64(6, counts),
    packedDoubles(7, bounds),
    ...encodeAttributes(9, attributes),
  ]);
}

function encodeTimes({ startMs, nowMs }: Times): Buffer[] {
  return [fixed64(2, BigInt(startMs) * 1_000_000n), fixed64(3, BigInt(nowMs) * 1_000_000n)];
}

function encodeAttributes(field: number, attributes: Attributes): Buffer[] {
  return attributes.map(([key, value]) => message(field, [text(1, key), message(2, [text(1, value)])]));
}

/** What a receiver says in an ExportMetricsServiceResponse that it did not take of a request, and why. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** Nothing rejected for an answer that is none of these: it came with a status that says that all is well. */
export function decodePartialSuccess(body: Uint8Array): PartialSuccess {
  const partial = readFields(body)?.findLast(({ field }) => field === 1)?.value;
  const fields = typeof partial === "object" ? (readFields(partial) ?? []) : [];
  const rejected = fields.findLast(({ field }) => field === 1)?.value;
  return { rejected: typeof rejected === "number" ? rejected : 0, message: textOf(fields) };
}

/** The message of a google.rpc.Status, which is the body of a refusal; empty for another body. */
export function decodeStatusMessage(body: Uint8Array): string {
  return textOf(readFields(body) ?? []);
}

function textOf(fields: NonNullable<ReturnType<typeof readFields>>): string {
  const said = fields.findLast(({ field }) => field === 2)?.value;
  return typeof said === "object" ? Buffer.from(said).toString("utf8") : "";
}
