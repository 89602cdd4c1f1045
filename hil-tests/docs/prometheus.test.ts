import { beforeAll, describe, expect, test } from "vitest";
import {
  alertsOfFile,
  expressionsOfDashboard,
  groupedBy,
  metricsIn,
  samplesIn,
  type Alert,
} from "../prometheus/expressions.ts";
import { ALERT_TRIALS } from "../prometheus/alert-trials.ts";
import { ALERTED, collectorExposition, gatewayExposition } from "./metric-rows.ts";

/** Labels that Prometheus adds to whatever it scrapes. */
const OF_THE_TARGET = ["instance", "job"];

let known: Map<string, Set<string>>;
let alerts: Alert[];

beforeAll(async () => {
  known = new Map([...samplesIn(gatewayExposition()), ...samplesIn(await collectorExposition()), ["up", new Set()]]);
  alerts = await alertsOfFile();
});

/** What an expression names that the programs do not have. */
function strangersIn({ name, expression, told }: Alert): string[] {
  const metrics = metricsIn(expression);
  const reachable = new Set([
    ...OF_THE_TARGET,
    ...[...metrics.keys()].flatMap((metric) => (known.get(metric) ?? new Set<string>()).values().toArray()),
  ]);
  const missing = [...metrics].flatMap(([metric, labels]) => {
    const has = known.get(metric);
    if (has === undefined) return [metric];
    return labels
      .filter((label) => !has.has(label) && !OF_THE_TARGET.includes(label))
      .map((label) => `${metric}{${label}}`);
  });
  const labels = [...groupedBy(expression), ...told].filter((label) => !reachable.has(label));
  return [...missing, ...labels].map((stranger) => `${name}: ${stranger}`);
}

const wrong = (expression: string, told: readonly string[] = []) => strangersIn({ name: "x", expression, told });

describe("docs/prometheus", () => {
  test("names only metrics and labels that the programs have", async () => {
    const panels = await expressionsOfDashboard();
    expect(alerts.length).toBeGreaterThan(30);
    expect(panels.length).toBeGreaterThan(25);
    for (const one of [...alerts, ...panels]) expect(metricsIn(one.expression).size, one.name).toBeGreaterThan(0);
    expect([...alerts, ...panels].flatMap(strangersIn)).toEqual([]);
  });

  test("a metric or label that there is not would be seen", () => {
    expect(wrong("paddock_gateway_lane_fill == 1")).toEqual(["x: paddock_gateway_lane_fill"]);
    expect(wrong('paddock_gateway_lane_full{path="a"} == 1')).toEqual(["x: paddock_gateway_lane_full{path}"]);
    expect(wrong("sum by (path) (paddock_gateway_lane_full)", ["epoch"])).toEqual(["x: path", "x: epoch"]);
  });

  test("has an alert for each metric of which docs/operations.md says when to alert", () => {
    const watched = new Set(alerts.flatMap(({ expression }) => [...metricsIn(expression).keys()]));
    const family = (name: string) => [name, `${name}_total`, `${name}_bucket`].some((sample) => watched.has(sample));
    expect(ALERTED.filter((name) => !family(name))).toEqual([]);
  });

  test("tries each alert once", () => {
    expect(Object.keys(ALERT_TRIALS).toSorted()).toEqual(alerts.map(({ name }) => name).toSorted());
  });
});
