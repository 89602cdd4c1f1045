import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { MemoryStreams } from "../durable-streams/memory-streams.ts";
import { NOT_READS } from "../durable-streams/not-reads.ts";

/**
 * The protocol's own suite against the collector's code of the Durable Streams protocol. The suite writes what it reads, so
 * that a store in memory stands in for the log; that the log itself is served so is in `durable-streams-client.test.ts`.
 */

/** Tests of each group that have to pass: all but those of `NOT_READS`. */
const READS: Readonly<Record<string, number>> = {
  "Append Operations": 2,
  "Basic Stream Operations": 4,
  "Browser Security Headers": 9,
  "Caching and ETag": 4,
  "Case-Insensitivity": 3,
  "Chunking and Large Payloads": 2,
  "Content-Type Validation": 2,
  "HEAD Metadata": 3,
  "HEAD Metadata Edge Cases": 1,
  "HTTP Protocol": 10,
  "JSON Mode": 13,
  "Long-Poll Edge Cases": 5,
  "Long-Poll Operations": 2,
  "Offset Validation and Resumability": 20,
  "Property-Based Tests (fast-check)": 16,
  "Protocol Edge Cases": 9,
  "Read Operations": 3,
  "Read-Your-Writes Consistency": 3,
  "SSE Mode": 31,
};

interface SuiteTest {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: "passed" | "failed" | "skipped" | "pending" | "todo";
  readonly failureMessages: readonly string[];
}

let tests: readonly SuiteTest[];

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-suite-"));
  const server = createServer(new MemoryStreams().handle).listen(0, "::1");
  await once(server, "listening");
  try {
    const report = join(directory, "report.json");
    const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
    const config = join(import.meta.dirname, "../durable-streams/vitest.config.ts");
    const argv = [vitest, "run", "--config", config, "--reporter=json", `--outputFile=${report}`];
    const { port } = server.address() as AddressInfo;
    const env = { ...process.env, DURABLE_STREAMS_URL: `http://[::1]:${port}` };
    const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "ignore", "inherit"] });
    await once(child, "exit");
    const { testResults } = JSON.parse(await readFile(report, "utf8")) as {
      testResults: { assertionResults: SuiteTest[] }[];
    };
    tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
}, 600_000);

function nameOf({ ancestorTitles, title }: SuiteTest): string {
  return [...ancestorTitles, title].filter((part) => part !== "").join(" > ");
}

function groupOf({ ancestorTitles }: SuiteTest): string {
  return ancestorTitles.find((part) => part !== "") ?? "";
}

function countByGroup(counted: readonly SuiteTest[]): Record<string, number> {
  return Object.fromEntries(
    Map.groupBy(counted, groupOf)
      .entries()
      .map(([group, { length }]) => [group, length]),
  );
}

test("every test of reading passes, and there are as many as there were", () => {
  const failed = tests.filter(({ status }) => status === "failed");
  expect(failed.map((one) => `${nameOf(one)}: ${one.failureMessages[0]?.slice(0, 500)}`)).toEqual([]);
  expect(countByGroup(tests.filter(({ status }) => status === "passed"))).toEqual(READS);
});

const leftOut = () => tests.filter(({ status }) => status !== "passed" && status !== "failed");

describe.each(NOT_READS)("not asked: $why", ({ groups = {}, tests: names = [] }) => {
  test("just these tests of the suite", () => {
    expect(leftOut().map(nameOf)).toEqual(expect.arrayContaining([...names]));
    expect(countByGroup(leftOut())).toMatchObject(groups);
  });
});

test("nothing else is left out", () => {
  const singles = NOT_READS.flatMap(({ tests: names = [] }) => names).length;
  const grouped = NOT_READS.flatMap(({ groups = {} }) => Object.values(groups)).reduce((sum, count) => sum + count);
  expect(leftOut()).toHaveLength(singles + grouped);
});
