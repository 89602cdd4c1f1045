import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { DUCKDB_VERSION, loadDuckDB } from "./duckdb.ts";

const missing = () => Promise.reject(new Error("Cannot find package '@duckdb/node-api'"));

test("where DuckDB is not installed, the error names the package and the command that gets it", async () => {
  await expect(loadDuckDB(missing)).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/npm package @duckdb\/node-api, cannot be loaded: Cannot find package/u),
    remedy: expect.stringContaining(`npm install @duckdb/node-api@${DUCKDB_VERSION}`),
  });
  expect(packageJson.optionalDependencies["@duckdb/node-api"]).toBe(DUCKDB_VERSION);
});

test("nothing but query's loader names it, other than for its types", () => {
  const collector = join(import.meta.dirname, "..");
  const files = globSync("**/*.ts", { cwd: collector, exclude: (name) => name === "node_modules" });
  const naming = files.filter((file) =>
    readFileSync(join(collector, file), "utf8")
      .split("\n")
      .some((line) => line.includes('"@duckdb/') && !line.includes("import type ")),
  );
  expect(naming.filter((file) => !file.endsWith(".test.ts"))).toEqual(["query/duckdb.ts"]);
});
