import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { configJsonSchema } from "./config-schema.ts";
import { CollectorConfigSchema, lastConfig, operatorSocketPath } from "./config.ts";

const parse = (input: unknown) => parseConfig(CollectorConfigSchema, input, "collector.json");

const lastOf = (more: object) => lastConfig(parse({ dataDir: "/d", ...more }));
const sinksOf = (...sinks: unknown[]) => parse({ dataDir: "/var/lib/paddock", sinks }).sinks;

describe("the collector's configuration", () => {
  test("needs a data directory and nothing else", () => {
    const config = parse({ dataDir: "/var/lib/paddock" });
    expect(config).toMatchObject({
      listen: [{ address: "::", port: 8443 }],
      claims: [],
      tls: null,
      metrics: { listen: null, tls: null, tokenFile: null },
      log: { level: "info" },
    });
    expect(config.limits.maxUploads).toBeGreaterThan(0);
    expect(operatorSocketPath(config)).toBe("/var/lib/paddock/operator.sock");
    expect(parse(config)).toEqual(config);
  });

  test("pushes nothing by OTLP unless it says where to, and shows a token over TLS alone", () => {
    const otlpOf = (otlp: object) => parse({ dataDir: "/var/lib/paddock", otlp }).otlp;
    expect(parse({ dataDir: "/var/lib/paddock" }).otlp).toBeNull();
    const endpoint = "https://otel.example.org:4318/v1/metrics";
    expect(otlpOf({ endpoint })).toEqual({ endpoint, intervalMs: 60_000, ca: null, tokenFile: null });
    const tokenFile = "/etc/paddock/token";
    expect(otlpOf({ endpoint, tokenFile })).toMatchObject({ tokenFile });
    for (const here of ["[::1]", "127.0.0.1", "localhost"]) {
      expect(otlpOf({ endpoint: `http://${here}:4318/v1/metrics`, tokenFile })).toMatchObject({ tokenFile });
    }
    const plain = { endpoint: "http://otel.example.org/v1/metrics", tokenFile };
    expect(() => otlpOf(plain)).toThrow(/otlp\.tokenFile.*https/u);
    expect(() => otlpOf({ endpoint: "otel.example.org:4318" })).toThrow(/otlp\.endpoint.*URL of http/u);
    expect(() => otlpOf({ endpoint: "https://otel.example.org:4318" })).toThrow(/\/v1\/metrics/u);
    expect(() => otlpOf({ endpoint: "https://me:secret@otel.example.org/v1/metrics" })).toThrow(/tokenFile/u);
  });

  test("has sinks of one kind each, under different names", () => {
    const files = { directory: "/srv/readings" };
    expect(sinksOf({ name: "a", files })).toEqual([
      {
        name: "a",
        maxRows: null,
        maxDelayMs: null,
        files: { ...files, format: "ndjson", rotateBytes: 67_108_864, rotateAgeMs: 86_400_000, keepFiles: null },
        lake: null,
        sql: null,
        redis: null,
      },
    ]);
    const lake = { directory: "/srv/lake" };
    expect(sinksOf({ name: "a", lake })).toMatchObject([{ files: null, lake: { ...lake, retentionDays: null } }]);
    expect(sinksOf({ name: "a", redis: {} })[0]!.redis).toEqual({
      socketPath: null,
      host: "::1",
      port: 6379,
      username: null,
      passwordFile: null,
      db: 0,
      prefix: "paddock:",
    });
    const sql = { user: "bridge", database: "farm" };
    expect(sinksOf({ name: "a", sql })).toMatchObject([
      { sql: { ...sql, host: null, port: 3306, socketPath: null, passwordFile: null, tls: null } },
    ]);
    expect(() => sinksOf({ name: "a" })).toThrow(/sinks\[0\].*just one of files/u);
    expect(() => sinksOf({ name: "a", files, sql })).toThrow(/just one of files/u);
    expect(() => sinksOf({ name: "a", sql: { ...sql, host: "db", socketPath: "/s" } })).toThrow(/host beside/u);
    expect(() => sinksOf({ name: "../a", files })).toThrow(/sinks\[0\]\.name/u);
    expect(() => sinksOf({ name: "a", files }, { name: "a", files })).toThrow(/different names/u);
  });

  test("has last values in memory where there are sinks, or as it is told", () => {
    const sinks = [{ name: "a", files: { directory: "/srv/readings" } }];
    expect(lastOf({})).toBeUndefined();
    expect(lastOf({ sinks })).toEqual({ enabled: null, maxEntries: 100_000, lookBackRecords: 1_000_000 });
    expect(lastOf({ sinks, last: { enabled: false } })).toBeUndefined();
    expect(lastOf({ last: { enabled: true, maxEntries: 5 } })).toMatchObject({ maxEntries: 5 });
    expect(() => lastOf({ last: { maxEntries: 0 } })).toThrow(/last\.maxEntries/u);
    expect(() => sinksOf({ name: "last-values", files: { directory: "/d" } })).toThrow(
      /sinks\[0\]\.name.*the key last/u,
    );
  });

  test("names every field at fault", () => {
    const bad = {
      dataDir: "",
      lisen: [],
      claims: [{ code: "short" }],
      operator: { listen: { address: "::", port: 1 } },
    };
    expect(() => parse(bad)).toThrow(/dataDir[\s\S]*claims\[0\]\.code|claims\[0\]\.code[\s\S]*dataDir/u);
    expect(() => parse(bad)).toThrow(/lisen: unknown key/u);
    expect(() => parse(bad)).toThrow(/operator\.listen\.address/u);
  });

  test("sends no token for the metrics in the clear", () => {
    const metrics = { listen: { address: "::", port: 9464 }, tokenFile: "/etc/paddock/metrics-token" };
    expect(() => parse({ dataDir: "/d", metrics })).toThrow(/metrics\.tokenFile: .*metrics\.tls/u);
    const tls = { cert: "/c.pem", key: "/k.pem" };
    expect(parse({ dataDir: "/d", metrics: { ...metrics, tls } }).metrics).toEqual({ ...metrics, tls });
  });

  test("has the JSON Schema that `node collector/config-schema.ts` writes to config.schema.json", async () => {
    const stored: unknown = JSON.parse(await readFile(new URL("config.schema.json", import.meta.url), "utf8"));
    expect(stored).toEqual(configJsonSchema());
  });
});
