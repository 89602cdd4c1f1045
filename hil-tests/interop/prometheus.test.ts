import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { selfSigned } from "@paddock/base/testing/self-signed.ts";
import { until } from "@paddock/base/testing/until.ts";
import { CLAIM, TestCollector } from "@paddock/collector/testing/test-collector.ts";
import { openGateway, type Gateway } from "@paddock/gateway/compose.ts";
import { parseGatewayConfig } from "@paddock/gateway/config.ts";
import { freePort } from "../free-port.ts";
import { ALERT_TRIALS, WELL } from "../prometheus/alert-trials.ts";
import { alertsOfFile, expressionsOfDashboard, metricsIn, RULES_FILE } from "../prometheus/expressions.ts";

const run = promisify(execFile);
const rules = fileURLToPath(RULES_FILE);
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-prometheus-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const file = (name: string) => join(directory, name);
const seriesOf = (series: Readonly<Record<string, string>>, job: string) =>
  Object.entries(series).map(([name, values]) => {
    const target = `instance="north-fence",job="${job}"`;
    return { series: `${name.slice(0, -1)}${name.endsWith("{}") ? "" : ","}${target}}`, values };
  });
const jobOf = (alert: string, series: Readonly<Record<string, string>>) =>
  alert.startsWith("PaddockCollector") || Object.keys(series)[0]!.startsWith("paddock_collector")
    ? "paddock-collector"
    : "paddock-gateway";

/** JSON is YAML. */
async function trial(tests: readonly object[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  await writeFile(file("trial.yml"), JSON.stringify({ rule_files: [rules], evaluation_interval: "1m", tests }));
  return run("promtool", ["test", "rules", file("trial.yml")]);
}
const firing = (alert: string, at: string, expected: number, series: object[]) => ({
  interval: "1m",
  input_series: series,
  promql_expr_test: [
    {
      expr: `(count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)) > bool 0`,
      eval_time: at,
      exp_samples: [{ labels: "{}", value: expected }],
    },
  ],
});

describe("promtool", () => {
  test("finds no fault in the rules", async () => {
    const { stdout } = await run("promtool", ["check", "rules", rules]);
    expect(stdout).toContain(`SUCCESS: ${Object.keys(ALERT_TRIALS).length} rules found`);
  });

  test("sees each alert fire", async () => {
    const tests = Object.entries(ALERT_TRIALS).map(([alert, { series, at }]) =>
      firing(alert, at, 1, seriesOf(series, jobOf(alert, series))),
    );
    expect((await trial(tests)).stdout).toContain("SUCCESS");
  }, 600_000);

  test("sees none fire in two days of a fleet that is well", async () => {
    const series = Object.entries(WELL).flatMap(([name, values]) =>
      seriesOf({ [name]: values }, name.startsWith("paddock_collector") ? "paddock-collector" : "paddock-gateway"),
    );
    const everFired = {
      expr: 'count(count_over_time(ALERTS{alertstate="firing"}[2d])) or vector(0)',
      eval_time: "2879m",
    };
    const quiet = { ...everFired, exp_samples: [{ labels: "{}", value: 0 }] };
    const one = { interval: "1m", input_series: series, promql_expr_test: [quiet] };
    expect((await trial([one])).stdout).toContain("SUCCESS");
  }, 600_000);

  test("would tell of an alert that does not fire", async () => {
    const silent = firing(
      "PaddockLaneFull",
      "2m",
      1,
      seriesOf({ 'paddock_gateway_lane_full{lane="alarm"}': "0x9" }, "x"),
    );
    await expect(trial([silent])).rejects.toMatchObject({ code: 1 });
  });
});

describe("a Prometheus that scrapes over TLS with a token", () => {
  const pair = selfSigned();
  const token = "fleet-watch-0123456789";
  let collector: TestCollector;
  let gateway: Gateway;
  let prometheus: ChildProcess;
  let said = "";
  let base = "";

  /** The answer of its HTTP API. */
  async function api<Data>(path: string): Promise<Data> {
    const response = await fetch(`${base}/api/v1/${path}`);
    const { status, data, error } = (await response.json()) as { status: string; data: Data; error?: string };
    if (status !== "success") throw new Error(`${path}: ${error}`);
    return data;
  }
  const query = async (expression: string) => {
    const { result } = await api<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
      `query?query=${encodeURIComponent(expression)}`,
    );
    return result;
  };

  beforeAll(async () => {
    await writeFile(file("cert.pem"), pair.cert);
    await writeFile(file("key.pem"), pair.key);
    await writeFile(file("token"), `${token}\n`);
    await writeFile(file("wrong-token"), `${token}-not\n`);
    const metrics = {
      listen: { address: "::1", port: 0 },
      tls: { cert: file("cert.pem"), key: file("key.pem") },
      tokenFile: file("token"),
    };
    const info = vi.fn<(event: string, fields?: object) => void>();
    const log = { ...silentLog, info };
    collector = await TestCollector.start({ metrics }, { log });
    const config = parseGatewayConfig({
      dataDir: file("gateway"),
      listen: [{ address: "::1", port: 0 }],
      store: { ballastBytes: 0 },
      collector: { publicKey: Buffer.from(collector.identity.publicKeyRaw).toString("hex"), claim: CLAIM },
      paths: [{ name: "lte", endpoint: `https://[::1]:${collector.port}`, metered: { bytesPerMonth: 1_000_000_000 } }],
      discovery: { enabled: false, multicast: false },
      metrics,
    });
    gateway = await openGateway(config, { clock: systemClock, log });
    const [ofCollector, ofGateway] = info.mock.calls
      .filter(([event]) => event === "metrics")
      .map(([, fields]) => `[::1]:${(fields as { port: number }).port}`);
    const scrape = (job: string, target: string, tokenFile = "token") => ({
      job_name: job,
      scheme: "https",
      authorization: { credentials_file: file(tokenFile) },
      tls_config: { ca_file: file("cert.pem") },
      static_configs: [{ targets: [target] }],
    });
    const document = {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [rules],
      scrape_configs: [
        scrape("paddock-collector", ofCollector!),
        scrape("paddock-gateway", ofGateway!),
        scrape("stranger", ofCollector!, "wrong-token"),
      ],
    };
    await writeFile(file("prometheus.yml"), JSON.stringify(document));
    const port = await freePort();
    base = `http://[::1]:${port}`;
    prometheus = spawn(
      "prometheus",
      [
        `--config.file=${file("prometheus.yml")}`,
        `--storage.tsdb.path=${file("tsdb")}`,
        `--web.listen-address=[::1]:${port}`,
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    prometheus.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
    prometheus.once("error", (error) => (said += error.message));
    await until(async () => expect((await fetch(`${base}/-/ready`)).status, said).toBe(200));
  });

  afterAll(async () => {
    if (prometheus?.exitCode === null && prometheus.kill()) await once(prometheus, "exit");
    await gateway?.stop();
    await collector?.end();
  });

  test("has both up, and is refused without the right token", async () => {
    await until(async () => expect(await query('up{job=~"paddock-.*"} == 1')).toHaveLength(2));
    await until(async () => {
      const { activeTargets } = await api<{ activeTargets: { labels: { job: string }; lastError: string }[] }>(
        "targets",
      );
      expect(activeTargets.find(({ labels }) => labels.job === "stranger")!.lastError).toContain("401");
    });
    expect(await query('{job="stranger",__name__=~"paddock_.*"}')).toEqual([]);
  });

  test("finds every metric of the rules and the dashboard, but for what did not happen", async () => {
    // Nothing is watched by BFD here, there are no sinks, and nothing is pushed by OTLP; nobody failed or forked; the gateway handed in what it says of itself, or nothing yet.
    const absent =
      /bfd|_sink_|otlp_|path_liveness|path_downs|evidence_total|connection_errors_total|uploads_total|last_receipt_age|write_amplification/u;
    const named = [...(await alertsOfFile()), ...(await expressionsOfDashboard())];
    const metrics = new Set(named.flatMap(({ expression }) => metricsIn(expression).keys().toArray()));
    for (const metric of metrics) {
      if (absent.test(metric)) continue;
      await until(async () => expect(await query(`count(${metric})`), metric).toHaveLength(1));
    }
  });

  test("understands every expression of the dashboard, and evaluates every alert", async () => {
    for (const { panel, expression } of await expressionsOfDashboard()) {
      await expect(query(expression), panel).resolves.toBeInstanceOf(Array);
    }
    await until(async () => {
      const { groups } = await api<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>(
        "rules",
      );
      const known = groups.flatMap((group) => group.rules);
      expect(known).toHaveLength(Object.keys(ALERT_TRIALS).length);
      expect(known.filter(({ health }) => health !== "ok")).toEqual([]);
    });
  });
});
