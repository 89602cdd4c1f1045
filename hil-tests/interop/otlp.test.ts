import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { selfSigned } from "@paddock/base/testing/self-signed.ts";
import { until } from "@paddock/base/testing/until.ts";
import { VERSION } from "@paddock/base/version.ts";
import { ask } from "@paddock/collector/operator/operator-client.ts";
import { handIn } from "@paddock/collector/testing/hand-in.ts";
import { TestCollector } from "@paddock/collector/testing/test-collector.ts";
import { OtlpReceiver } from "../otlp/receiver.ts";

/** What goes on by itself while nobody does anything. */
const RESTLESS = /^paddock_collector_(?:otlp_|scrub)/u;

/** Of an ExportMetricsServiceRequest in the JSON of Protocol Buffers, what is looked at. */
interface Request {
  readonly unknown: boolean;
  readonly resourceMetrics: readonly [
    {
      readonly resource: { readonly attributes: readonly Attribute[] };
      readonly scopeMetrics: readonly [{ readonly scope: object; readonly metrics: readonly Metric[] }];
    },
  ];
}
interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string };
}
interface Metric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: {
    readonly aggregationTemporality: string;
    readonly isMonotonic: boolean;
    readonly dataPoints: Point[];
  };
  readonly gauge?: { readonly dataPoints: Point[] };
  readonly histogram?: { readonly aggregationTemporality: string; readonly dataPoints: Point[] };
}
interface Point {
  readonly attributes?: readonly Attribute[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly asDouble?: number;
  readonly count?: string;
  readonly sum?: number;
  readonly bucketCounts?: readonly string[];
  readonly explicitBounds?: readonly number[];
}

const warnings: (readonly [event: string, fields: object | undefined])[] = [];
const warned = (event: string, fields?: object) => void warnings.push([event, fields]);

describe("a receiver with OpenTelemetry's own messages", () => {
  const token = "fleet-watch-0123456789";
  const requests: Request[] = [];
  let directory: string;
  let receiver: OtlpReceiver | undefined;
  let collector: TestCollector;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "paddock-otlp-"));
    const { cert, key } = selfSigned();
    const file = (name: string) => join(directory, name);
    await writeFile(file("cert.pem"), cert);
    await writeFile(file("token"), `${token}\n`);
    receiver = await OtlpReceiver.start({
      cert,
      key,
      token,
      received: ({ unknown, request }) => requests.push({ ...(request as Omit<Request, "unknown">), unknown }),
    });
    const otlp = {
      endpoint: `https://[::1]:${receiver.port}/v1/metrics`,
      intervalMs: 1000,
      ca: file("cert.pem"),
      tokenFile: file("token"),
    };
    collector = await TestCollector.start({ otlp }, { log: { ...silentLog, warn: warned } });
    await handIn(collector, [1, 5, 3]);
  });
  afterAll(async () => {
    await collector?.end();
    await receiver?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** A request that began after now: the first of the next two may have begun before. */
  async function nextRequest(): Promise<Request> {
    const before = requests.length;
    await until(() => expect(requests.length).toBeGreaterThanOrEqual(before + 2));
    return requests.at(-1)!;
  }

  test("reads every value of the page, under the same names and labels, and no field that it does not know", async () => {
    const request = await nextRequest();
    expect(request.unknown).toBe(false);
    const page = samplesOf((await ask(collector.socket, { path: "/metrics" })).toString("utf8"));
    const [{ scopeMetrics }] = request.resourceMetrics;
    const told = scopeMetrics[0].metrics.flatMap(samplesIn);
    expect(page.filter(ours).length).toBeGreaterThan(50);
    expect(Object.fromEntries(told.filter(ours))).toEqual(Object.fromEntries(page.filter(ours)));
    // Of a process and of Node.js they change at each look, and those of what is going on come and go.
    const unset = page.filter(([, value]) => !Number.isFinite(value));
    expect(names([...told, ...unset])).toEqual(names(page));
  });

  test("reads who tells, and since when what counts", async () => {
    const first = (await nextRequest()).resourceMetrics[0];
    const second = (await nextRequest()).resourceMetrics[0];
    expect(Object.fromEntries(first.resource.attributes.map(({ key, value }) => [key, value.stringValue]))).toEqual({
      "service.name": "paddock-collector",
      "service.instance.id": Buffer.from(collector.identity.id).toString("hex"),
      "service.version": VERSION,
    });
    expect(first.scopeMetrics[0].scope).toEqual({ name: "paddock.collector", version: VERSION });
    const pushes = [first, second].map(({ scopeMetrics }) => {
      const { sum } = scopeMetrics[0].metrics.find(({ name }) => name === "paddock_collector_otlp_pushes")!;
      expect(sum).toMatchObject({ aggregationTemporality: "AGGREGATION_TEMPORALITY_CUMULATIVE", isMonotonic: true });
      return sum!.dataPoints[0]!;
    });
    expect(pushes[1]!.asDouble!).toBeGreaterThan(pushes[0]!.asDouble!);
    expect(pushes[1]!.startTimeUnixNano).toBe(pushes[0]!.startTimeUnixNano);
    expect(BigInt(pushes[1]!.timeUnixNano)).toBeGreaterThan(BigInt(pushes[0]!.timeUnixNano));
    const units = new Map(first.scopeMetrics[0].metrics.map(({ name, unit }) => [name, unit]));
    expect(units.get("paddock_collector_upload_seconds")).toBe("s");
    expect(units.get("paddock_collector_stored_bytes")).toBe("By");
  });

  test("is understood when it says what it did not take", async () => {
    await nextRequest();
    const message = "values are not taken: three are too old";
    expect(warnings.filter(([event]) => event === "otlp-partial")).toEqual([
      ["otlp-partial", { rejected: 3, message }],
    ]);
    const page = (await ask(collector.socket, { path: "/metrics" })).toString("utf8");
    expect(page).toMatch(/^paddock_collector_otlp_rejected_values_total [1-9]/mu);
    expect(page).toMatch(/^paddock_collector_otlp_attention 1$/mu);
  });
});

type Sample = readonly [series: string, value: number];

const ours = ([name]: Sample): boolean => name.startsWith("paddock_") && !RESTLESS.test(name);

/** Of what is always there. */
function names(samples: readonly Sample[]): Set<string> {
  return new Set(samples.map(([name]) => name.split("{")[0]!).filter((name) => !/^nodejs_(?:active|gc)_/u.test(name)));
}

/** The samples of an exposition. */
function samplesOf(openMetrics: string): Sample[] {
  return [...openMetrics.matchAll(/^([a-z]\w*)(?:\{(.*)\})? (\S+)$/gmu)].map(([, name, text = "", value]) => {
    const labels = [...text.matchAll(/(\w+)="([^"]*)"/gu)].map(([, label, told]) => [label!, told!] as const);
    return [seriesOf(name!, labels), Number(value)];
  });
}

function labelsOf({ attributes = [] }: Point): (readonly [string, string])[] {
  return attributes.map(({ key, value }) => [key, value.stringValue]);
}

/** What an exposition would have of a metric. */
function samplesIn({ name, sum, gauge, histogram }: Metric): Sample[] {
  const numbers = (points: readonly Point[], suffix: string): Sample[] =>
    points.map((point) => [seriesOf(name + suffix, labelsOf(point)), point.asDouble!]);
  const histograms = (histogram?.dataPoints ?? []).flatMap((point): Sample[] => {
    let upTo = 0;
    const bounds = [...(point.explicitBounds ?? []), Infinity];
    expect(point.bucketCounts).toHaveLength(bounds.length);
    const buckets = bounds.map((bound, index): Sample => {
      upTo += Number(point.bucketCounts![index]);
      return [seriesOf(`${name}_bucket`, labelsOf(point).concat([["le", String(bound)]])), upTo];
    });
    return buckets.concat([
      [seriesOf(`${name}_sum`, labelsOf(point)), point.sum!],
      [seriesOf(`${name}_count`, labelsOf(point)), Number(point.count ?? 0)],
    ]);
  });
  return [...numbers(sum?.dataPoints ?? [], "_total"), ...numbers(gauge?.dataPoints ?? [], ""), ...histograms];
}

/** Bounds are numbers, however they are written. */
function seriesOf(name: string, labels: readonly (readonly [string, string])[]): string {
  const plain = labels.map(([label, told]) =>
    label === "le" ? `le=${Number(told.replace("+Inf", "Infinity"))}` : `${label}=${told}`,
  );
  return `${name}{${plain.toSorted().join()}}`;
}
