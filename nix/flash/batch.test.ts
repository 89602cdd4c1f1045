import { appendFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { appendFlashed, flashedHostnames, readBatch } from "./batch.ts";

test("a table as a spreadsheet saves it: mark, CRLF, quotes, an empty column", () => {
  const text =
    '\uFEFFhostname,claim,config,network\r\nbarn-1,"a,b",one.json,\r\nbarn-2,,two.json,a.network b.network\r\n\r\n';
  expect(readBatch(text)).toEqual([
    { line: 2, hostname: "barn-1", options: { hostname: "barn-1", claim: "a,b", config: "one.json" } },
    {
      line: 3,
      hostname: "barn-2",
      options: { hostname: "barn-2", config: "two.json", network: "a.network b.network" },
    },
  ]);
});

test.each([
  ["", "no line below its head"],
  ["hostname\n", "no line below its head"],
  ["hostname,clam\nbarn,x\n", 'Column "clam" is not known; did you mean "claim"?'],
  ["hostname,claim\n,x\n", "Line 2: hostname is missing"],
  ["hostname\nbarn\nshed\nbarn\n", 'Line 4: hostname "barn" stands in line 2 already'],
  ["hostname,claim\nbarn\n", "not CSV"],
])("%j is refused by line and column", (text, why) => {
  expect(() => readBatch(text)).toThrow(why);
});

test("the record says what was flashed with this image, and survives a cut line", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-batch-"));
  try {
    const path = join(directory, "flashed.jsonl");
    expect([...(await flashedHostnames(path, "a"))]).toEqual([]);
    const flashed = { time: "2026-11-28T00:00:00.000Z", to: "x", image: "y", version: "1", data: "none" };
    await appendFlashed(path, { ...flashed, hostname: "barn-1", sha256: "a", claim: "secret" });
    await appendFlashed(path, { ...flashed, hostname: "barn-2", sha256: "b" });
    await appendFile(path, '{"hostname":"barn-3","sha25');
    expect([...(await flashedHostnames(path, "a"))]).toEqual(["barn-1"]);
    expect([...(await flashedHostnames(path, "b"))]).toEqual(["barn-2"]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  } finally {
    await rm(directory, { recursive: true });
  }
});
