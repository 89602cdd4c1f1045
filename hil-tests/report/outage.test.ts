import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { arrivalsOf, percentile } from "./outage.ts";

test("arrivals are the times in the collector's log, in order, each once", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-outage-"));
  try {
    const file = join(directory, "log.ndjson");
    await writeFile(file, [30, 10, 30, 20].map((received) => `{"seq":1,"received":${received},"at":5}\n`).join(""));
    expect(await arrivalsOf(file)).toEqual([10, 20, 30]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a percentile is one of the values", () => {
  expect(percentile([30, 10, 20], 0.5)).toBe(20);
  expect(percentile([30, 10, 20], 0.95)).toBe(30);
  expect(percentile([], 0.5)).toBeNaN();
});
