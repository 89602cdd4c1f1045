/* The lake behind a real collector: the process that writes it is killed again and again, and DuckDB reads the result. */
import { mkdtemp, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { collectorCommand } from "../../commands/collector-command.ts";
import { askJson } from "../../operator/operator-client.ts";
import type { SinkReport } from "../../operator/operator-sinks.ts";
import { CLAIM, testConfig, TestCollector } from "../../testing/test-collector.ts";
import { senmlPayload } from "../testing/frames.ts";
import { DirectoryDisk } from "./lake-disk.ts";

let directory: string;
let lake: string;
let config: string;
let collector: TestCollector;
let sealer: Sealer;
/** Records uploaded; each holds its own log offset as value. */
let uploaded = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-lake-"));
  lake = join(directory, "lake");
  uploaded = 0;
  const sinks = [{ name: "lake", maxDelayMs: 20, maxRows: 50, lake: { directory: lake } }];
  collector = await TestCollector.start({ sinks });
  config = join(directory, "collector.json");
  await writeFile(config, JSON.stringify(testConfig(collector.directory, { sinks })));
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
});
afterEach(async () => {
  await collector.end();
  await rm(directory, { recursive: true, force: true });
});

async function upload(records: number): Promise<void> {
  const values = Array.from({ length: records }, () => uploaded++);
  const answer = await collector.client().upload(sealer.chain, [sealer.seal(senmlPayload(values), records)]);
  expect(answer.status).toBe(200);
}

async function isAllThere(): Promise<void> {
  await until(async () => {
    const [sink] = await askJson<SinkReport[]>(collector.socket, { path: "/v1/sinks" });
    expect(sink).toMatchObject({ state: "reading", lag: { records: 0 } });
  });
}

async function ask(sql: string): Promise<unknown> {
  const { code, stdout, stderr } = await runInProcess(collectorCommand, ["query", sql, "--config", config, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

/** Rows, different offsets, and those whose value is not their offset. */
const TOTALS =
  "SELECT count(*)::INTEGER AS rows, count(DISTINCT log_offset)::INTEGER AS offsets, count(*) FILTER (value <> log_offset)::INTEGER AS wrong FROM readings";

test("kill -9 of its process at any moment, and files lost in between: each reading is there once", async () => {
  const random = seededRandom(59);
  for (let kill = 0; kill < 3 + scaled(15); kill++) {
    for (let batch = 0; batch < 3; batch++) await upload(1 + random.below(60));
    const { pid } = collector.collector.sinks!;
    const wanted = random.below(uploaded + 1);
    await until(async () => {
      const [sink] = await askJson<SinkReport[]>(collector.socket, { path: "/v1/sinks" });
      expect(sink?.offset ?? 0).toBeGreaterThanOrEqual(Math.min(wanted, uploaded - 60));
    });
    if (pid !== undefined) {
      process.kill(pid, "SIGKILL");
      // It takes a while to be gone, and its number means nobody then.
      await until(() => expect(collector.collector.sinks!.pid).not.toBe(pid));
    }
    const files = (await new DirectoryDisk(lake).list()).filter((path) => path.endsWith(".parquet"));
    if (files.length > 0 && random.below(3) === 0) await unlink(join(lake, files[random.below(files.length)]!));
  }
  await upload(1);
  await isAllThere();
  // A file that went after its process had looked is found at the next start.
  await askJson(collector.socket, { method: "POST", path: "/v1/sinks/lake/pause" });
  await until(async () => {
    const [sink] = await askJson<SinkReport[]>(collector.socket, { path: "/v1/sinks" });
    expect(sink?.state).toBe("paused");
  });
  await askJson(collector.socket, { method: "POST", path: "/v1/sinks/lake/resume" });
  await isAllThere();
  expect(await ask(TOTALS)).toEqual([{ rows: uploaded, offsets: uploaded, wrong: 0 }]);
  expect(await runInProcess(collectorCommand, ["lake", "verify", "--config", config])).toMatchObject({ code: 0 });
});

test("a row of one of its files leads to a proof that an auditor accepts", async () => {
  await upload(5);
  await isAllThere();
  const path = (await new DirectoryDisk(lake).list()).find((name) => name.endsWith(".parquet"));
  const proof = join(directory, "reading.proof");
  const args = ["prove", "--file", join(lake, path!), "--row", "3", "--out", proof, "--config", config];
  expect(await runInProcess(collectorCommand, args)).toMatchObject({ code: 0 });
  expect((await readFile(proof)).length).toBeGreaterThan(100);
  expect(await runInProcess(collectorCommand, ["verify", proof])).toMatchObject({ code: 0 });
});
