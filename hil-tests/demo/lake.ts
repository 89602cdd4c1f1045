import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { PaddockError } from "@paddock/base/errors.ts";
import { askJson } from "@paddock/collector/operator/operator-client.ts";
import type { SinkReport } from "@paddock/collector/operator/operator-sinks.ts";
import { formatCount, plural } from "@paddock/gateway/cli/format.ts";
import type { Children } from "./children.ts";
import { DemoFailure } from "./demo-failure.ts";
import type { DemoFiles } from "./files.ts";
import type { Check } from "./proof.ts";

/** Limits end what hangs, not what is slow. */
const LAKE_MS = 60_000;
const LOOK_MS = 250;

/** What an analyst would ask first. */
const QUERY =
  "SELECT measurement, count(*) AS rows, min(value) AS min, max(value) AS max FROM readings GROUP BY ALL ORDER BY rows DESC";
const COUNT =
  "SELECT count(DISTINCT log_offset)::INTEGER AS records, count(*)::INTEGER AS rows, count(DISTINCT (log_offset, part))::INTEGER AS keys FROM readings";

interface Totals {
  readonly records: number;
  readonly rows: number;
  /** Different places of readings in the log: fewer than rows when one is there twice. */
  readonly keys: number;
}

/** Asks the lake in SQL for the readings just sent, once it has all that the ledger has; `frames` is what the ledger has. */
export async function checkLake(children: Children, files: DemoFiles, frames: number): Promise<Check> {
  await lakeIsThere(files);
  const [totals] = await ask<Totals>(children, files, COUNT);
  const { records, rows, keys } = totals!;
  const inLedger = await readingsInLedger(children, files);
  const found = await ask<Readonly<Record<string, string | number | null>>>(children, files, QUERY);
  return {
    holds: records === frames && rows === inLedger && rows === keys,
    title: "every reading of the ledger is in the lake once, as rows that DuckDB reads",
    command: `collector query "${QUERY}"`,
    findings: [
      `${formatCount(rows)} of ${plural(inLedger, "reading")}, of ${formatCount(records)} of ${plural(frames, "frame")}; twice ${rows - keys}`,
      ...tableOf(found),
    ],
  };
}

/** By the replay of the ledger, which knows nothing of the lake. */
async function readingsInLedger(children: Children, files: DemoFiles): Promise<number> {
  const args = ["log", "--config", files.collectorConfig, "--from", "0", "--format", "senml"];
  const { code, lastLines } = await children.run("readings", "collector", args, {
    outFile: files.readings,
    nice: true,
  });
  if (code !== 0) throw new DemoFailure(`The readings could not be exported. ${lastLines.join(" ")}`);
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(files.readings) })) {
    if (!("problem" in (JSON.parse(line) as object))) count++;
  }
  return count;
}

/** Asks the collector itself, again and again: a command started for each question takes from a small machine what the lake needs. */
async function lakeIsThere(files: DemoFiles): Promise<void> {
  const untilMs = performance.now() + LAKE_MS;
  for (;;) {
    const { lag, problem } = await lakeReport(files);
    if (lag?.records === 0) return;
    if (performance.now() > untilMs) {
      throw new DemoFailure(`The lake does not come to the ledger's end. ${problem ?? ""}`);
    }
    await sleep(LOOK_MS);
  }
}

async function lakeReport({ operatorSocket }: DemoFiles): Promise<Pick<SinkReport, "lag" | "problem">> {
  try {
    const [lake] = await askJson<SinkReport[]>(operatorSocket, { path: "/v1/sinks" });
    return lake ?? { lag: null, problem: "The collector knows of no lake." };
  } catch (error) {
    // A collector that is gone is reported by whoever watches its process.
    if (error instanceof PaddockError) return { lag: null, problem: error.message };
    throw error;
  }
}

async function ask<Row>(children: Children, files: DemoFiles, sql: string): Promise<Row[]> {
  const args = ["query", sql, "--lake", files.lake, "--format", "json"];
  const { code, stdout, lastLines } = await children.run("query", "collector", args, { nice: true });
  if (code !== 0) throw new DemoFailure(`The lake could not be asked. ${lastLines.join(" ")}`);
  return JSON.parse(stdout) as Row[];
}

function tableOf(rows: readonly Readonly<Record<string, string | number | null>>[]): string[] {
  return rows.map(
    ({ measurement, rows: count, min, max }) =>
      `${String(measurement).padEnd(12)} ${formatCount(Number(count)).padStart(8)} rows${min === null ? "" : `, ${String(min)} to ${String(max)}`}`,
  );
}
