import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { PLAIN_ROW, writeLakeFile } from "../testing/small-lake.ts";
import { collectorCommand } from "./collector-command.ts";

let lake: string;
beforeEach(async () => {
  lake = await mkdtemp(join(tmpdir(), "paddock-lake-"));
  await writeFile(join(lake, "boots.ndjson"), "");
});
afterEach(() => rm(lake, { recursive: true, force: true }));

/** Which ones is chosen in query/chosen-measurements.test.ts. */
test("of very many measurements some have a view, and any that is named", async () => {
  await Promise.all(
    Array.from({ length: 300 }, (_, at) =>
      writeLakeFile(lake, "a", [{ ...PLAIN_ROW, offset: at, number: at, name: `m${1000 + at}` }]),
    ),
  );
  const { stdout, stderr } = await runInProcess(collectorCommand, [
    "query",
    "SELECT value FROM m1299",
    "--lake",
    lake,
    "--format",
    "ndjson",
  ]);
  expect(stdout).toBe('{"value":299}\n');
  expect(stderr).toMatch(/300 measurements; 257 of them have a view/u);
});
