import { Counter, Gauge, Histogram, Registry, type OpenMetricsContentType } from "prom-client";
import { beforeEach, describe, expect, test } from "vitest";
import { metricsOf } from "./metrics-data.ts";

let registers: Registry[];

beforeEach(() => {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  registers = [registry] as unknown as Registry[];
});

const told = async () => metricsOf(await registers[0]!.getMetricsAsJSON());

describe("what is told by OTLP", () => {
  test("has a counter as a sum, under the name without its total", async () => {
    new Counter({ name: "a_seconds_total", help: "Of a.", registers }).inc(1.5);
    new Counter({ name: "b", help: "Of b.", labelNames: ["kind"], registers }).inc({ kind: "x" }, 2);
    expect(await told()).toEqual([
      { name: "a_seconds", description: "Of a.", unit: "s", kind: "sum", points: [{ attributes: [], value: 1.5 }] },
      { name: "b", description: "Of b.", unit: "", kind: "sum", points: [{ attributes: [["kind", "x"]], value: 2 }] },
    ]);
  });

  test("has a gauge as it is, and leaves out what is no number, and families without a value", async () => {
    const gauge = new Gauge({ name: "room_bytes", help: "Of room.", labelNames: ["disk"], registers });
    gauge.set({ disk: "a" }, 7);
    gauge.set({ disk: "b" }, NaN);
    new Gauge({ name: "lag", help: "Of lag.", registers }).set(NaN);
    const never = new Counter({ name: "never", help: "Nothing yet.", labelNames: ["kind"], registers });
    expect((await never.get()).values).toEqual([]);
    expect(await told()).toEqual([
      {
        name: "room_bytes",
        description: "Of room.",
        unit: "By",
        kind: "gauge",
        points: [{ attributes: [["disk", "a"]], value: 7 }],
      },
    ]);
  });

  test("has of a histogram what is in each bucket alone, and above the last bound", async () => {
    const histogram = new Histogram({ name: "h", help: "Of h.", labelNames: ["lane"], buckets: [0.5, 2], registers });
    for (const value of [0.1, 0.5, 1, 3, 4, 5]) histogram.observe({ lane: "bulk" }, value);
    histogram.observe({ lane: "alarm" }, 2);
    const bounds = [0.5, 2];
    expect(await told()).toMatchObject([
      {
        kind: "histogram",
        points: [
          { attributes: [["lane", "bulk"]], count: 6, sum: 13.6, bounds, counts: [2, 1, 3] },
          { attributes: [["lane", "alarm"]], count: 1, sum: 2, bounds, counts: [0, 1, 0] },
        ],
      },
    ]);
  });
});
