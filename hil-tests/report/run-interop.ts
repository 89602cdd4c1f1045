import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import type { Verdict } from "./verdicts.ts";

const ROOM = dirname(import.meta.dirname);

/** What of vitest's JSON report is read. */
interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly duration?: number | null;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Runs the interop tests; what they print is seen as they run. */
export async function runInterop(jsonFile: string): Promise<Verdict[]> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${jsonFile}`];
  const child = spawn(process.execPath, [vitest, "run", "--config", join(ROOM, "vitest.config.ts"), ...reporters], {
    stdio: "inherit",
  });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  const report = JSON.parse(await readFile(jsonFile, "utf8")) as VitestReport;
  const verdicts = report.testResults.flatMap((file) => {
    const where = { ring: "interop", file: relative(ROOM, file.name), story: null };
    if (file.assertionResults.length === 0 && file.status !== "passed") {
      const failure = file.message ?? "the file could not be run";
      return [{ ...where, name: "the file runs", passed: false, durationMs: 0, failure }];
    }
    return file.assertionResults.map(({ fullName, status, duration, failureMessages }): Verdict => {
      const passed = status === "passed";
      const failure = passed ? null : (failureMessages ?? []).join("\n") || status;
      return { ...where, name: fullName, passed, durationMs: duration ?? 0, failure };
    });
  });
  if (verdicts.length === 0 || (code !== 0 && verdicts.every(({ passed }) => passed))) {
    const failure = `vitest ended with ${String(code)} after ${verdicts.length} tests`;
    verdicts.push({
      ring: "interop",
      file: "interop",
      name: "vitest",
      passed: false,
      durationMs: 0,
      failure,
      story: null,
    });
  }
  return verdicts;
}
