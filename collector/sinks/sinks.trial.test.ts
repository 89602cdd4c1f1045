import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import { collectorCommand } from "../commands/collector-command.ts";
import { ask, askJson } from "../operator/operator-client.ts";
import type { SinkReport } from "../operator/operator-sinks.ts";
import type { GatewayClient } from "../testing/gateway-client.ts";
import { CLAIM, testConfig, TestCollector } from "../testing/test-collector.ts";
import type { DeadLetterReport } from "./dead-letters.ts";
import { senmlPayload } from "./testing/frames.ts";

let directory: string;
let collector: TestCollector;
let client: GatewayClient;
let sealer: Sealer;
/** Records uploaded; each holds its own log offset as value, but those that are none. */
let uploaded: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-sinks-"));
  uploaded = 0;
});

afterEach(async () => {
  await collector.end();
  await rm(directory, { recursive: true, force: true });
});

interface Line {
  readonly offset: number;
  readonly number: number;
  readonly site: string;
}

async function start(names: readonly string[], more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const files = { rotateBytes: 8192 };
  const limits = { maxDelayMs: 20, maxRows: 50 };
  const sinks = names.map((name) => ({ name, ...limits, files: { ...files, directory: join(directory, name) } }));
  collector = await TestCollector.start({ sinks, ...more });
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  client = collector.client();
}

async function upload(records: number): Promise<void> {
  const values = Array.from({ length: records }, () => uploaded++);
  expect((await client.upload(sealer.chain, [sealer.seal(senmlPayload(values), records)])).status).toBe(200);
}

async function linesOf(name: string): Promise<Line[]> {
  const folder = join(directory, name);
  const names = (await readdir(folder).catch(() => [])).filter((file) => file.startsWith("rows-")).toSorted();
  const texts = await Promise.all(names.map((file) => readFile(join(folder, file), "utf8")));
  const lines = texts.join("").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
}

async function sinkOf(name: string): Promise<SinkReport> {
  const all = await askJson<SinkReport[]>(collector.socket, { path: "/v1/sinks" });
  return all.find((sink) => sink.name === name)!;
}

const tell = (name: string, verb: string, body?: unknown): Promise<SinkReport> =>
  askJson<SinkReport>(collector.socket, { method: "POST", path: `/v1/sinks/${name}/${verb}`, body });

/** Waits until a sink stands at the end of the log, and then looks whether it has each reading once. */
async function expectAll(name: string): Promise<void> {
  await until(async () => expect(await sinkOf(name)).toMatchObject({ state: "reading", lag: { records: 0 } }));
  const lines = await linesOf(name);
  expect(lines.map(({ offset, number }) => [offset, number])).toEqual(
    Array.from({ length: uploaded }, (_, at) => [at, at]),
  );
}

const cli = (...argv: string[]) => runInProcess(collectorCommand, ["sinks", ...argv, "--socket", collector.socket]);

describe("a collector with sinks", () => {
  test("writes what arrives, and goes on where it was after a restart", async () => {
    const gateway = Buffer.from(testIdentity(1).id).toString("hex");
    await start(["a"], { sites: [{ gateway, site: "north hall" }] });
    await upload(3);
    await upload(2);
    await expectAll("a");
    expect((await linesOf("a"))[0]).toMatchObject({ site: "north hall", gateway, name: "urn:dev:mote:1:temp" });
    await collector.restart();
    client = collector.client();
    await upload(4);
    await expectAll("a");
    expect(await cli()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/OK +a \(files\).*all kept/u) as string,
    });
    const metrics = (await ask(collector.socket, { path: "/metrics" })).toString("utf8");
    expect(metrics).toContain('paddock_collector_sink_lag_records{sink="a",kind="files"} 0');
  });

  test("names the gateway's label as site when none is configured", async () => {
    await start(["a"]);
    await upload(1);
    await expectAll("a");
    expect((await linesOf("a"))[0]!.site).toBe("claimed");
  });

  test("pauses over a restart, resumes, and is built again from an offset or a time", async () => {
    await start(["a", "b"]);
    await upload(3);
    await expectAll("a");
    expect(await cli("pause", "a")).toMatchObject({ code: 0 });
    await collector.restart();
    client = collector.client();
    await upload(3);
    await expectAll("b");
    expect(await linesOf("a")).toHaveLength(3);
    expect((await sinkOf("a")).state).toBe("paused");
    await tell("a", "resume");
    await expectAll("a");
    expect(await cli("rebuild", "a", "--from", "2")).toMatchObject({ code: 0 });
    await upload(1);
    await expectAll("a");
    await cli("rebuild", "a", "--from", "2020-01-01T00:00:00Z");
    await upload(1);
    await expectAll("a");
    await expect(tell("a", "rebuild", { from: 99 })).rejects.toThrow(/beyond the end/u);
    await expect(tell("c", "pause")).rejects.toThrow(/no sink c/u);
    await tell("b", "pause");
    await upload(1);
    await expect(tell("b", "rebuild", { from: uploaded })).rejects.toThrow(/pass over/u);
  });

  test("one that cannot write waits, says so, and keeps no other from its work", async () => {
    await start(["a", "b"], {
      sinks: [
        { name: "a", maxDelayMs: 20, files: { directory: join(directory, "not-mounted", "a") } },
        { name: "b", maxDelayMs: 20, files: { directory: join(directory, "b") } },
      ],
    });
    await upload(3);
    await expectAll("b");
    await until(async () => expect(await sinkOf("a")).toMatchObject({ state: "waiting", lag: null }));
    const told = await cli();
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(/ATTENTION a \(files\).*\n +SINK_UNAVAILABLE/u);
  });

  test("lists what cannot be a row and counts what is gone", async () => {
    await start(["a"]);
    const broken = sealer.seal(testPayload(7));
    const evicted = sealer.seal(testPayload(8));
    await client.upload(sealer.chain, [broken, { ...evicted, payload: null }]);
    uploaded += 2;
    await upload(1);
    await until(async () => expect((await sinkOf("a")).lag?.records).toBe(0));
    const found = await askJson<DeadLetterReport>(collector.socket, { path: "/v1/sinks/a/dead" });
    expect(found).toMatchObject({ total: 1, missing: { evicted: 1 }, letters: [{ offset: 0, source: "mote-0" }] });
    expect((await linesOf("a")).map(({ offset }) => offset)).toEqual([2]);
    await tell("a", "rebuild", { from: 0 });
    await until(async () => expect((await sinkOf("a")).rows).toBe(2));
    expect((await sinkOf("a")).deadLetters).toEqual({ countedFrom: 0, total: 1, missing: { evicted: 1 } });
    expect((await cli("dead", "a")).stdout).toMatch(/offset 0, .*mote-0[\s\S]*evicted 1/u);
  });

  test("stops at a place that is none of this log any more, and goes on when it is told to", async () => {
    await start(["a"]);
    await upload(3);
    await expectAll("a");
    await collector.whileStopped((dataDir) => rm(join(dataDir, "ledger"), { recursive: true }));
    await until(async () => expect((await sinkOf("a")).state).toBe("stopped"));
    expect((await sinkOf("a")).problem).toMatch(/made anew.*sinks rebuild a --from/u);
    expect(await linesOf("a")).toHaveLength(3);
    await tell("a", "rebuild", { from: 0 });
    await until(async () => expect((await sinkOf("a")).state).toBe("reading"));
    expect(await linesOf("a")).toEqual([]);
  });
});

test("kill -9 of the process of the sinks at any moment: afterwards the lines are the ledger, each once", async () => {
  await start(["a", "b"]);
  const random = seededRandom(58);
  for (let kill = 0; kill < 2 + scaled(20); kill++) {
    for (let batch = 0; batch < 4; batch++) await upload(1 + random.below(60));
    const { pid } = collector.collector.sinks!;
    const wanted = random.below(uploaded);
    await until(async () =>
      expect((await linesOf("a")).length).toBeGreaterThanOrEqual(Math.min(wanted, uploaded - 60)),
    );
    if (pid !== undefined) {
      process.kill(pid, "SIGKILL");
      // It takes a while to be gone, and its number means nobody then.
      await until(() => expect(collector.collector.sinks!.pid).not.toBe(pid));
    }
  }
  await upload(1);
  await expectAll("a");
  await expectAll("b");
});

test("sinks whose disks hang hold up no other one and not the end, and are told", async () => {
  const names = Array.from({ length: 6 }, (_, index) => `hangs-${index}`);
  for (const name of names) {
    await mkdir(join(directory, name));
    // Whoever opens it waits in the kernel until somebody writes there, which nobody does.
    execFileSync("mkfifo", [join(directory, name, "place.json")]);
  }
  await start([...names, "b"]);
  await upload(3);
  await expectAll("b");
  const problem = expect.stringMatching(/opening for \d+ s: its disk or server does not answer/u) as string;
  for (const name of names) await until(async () => expect(await sinkOf(name)).toMatchObject({ problem }));
  await upload(3);
  await expectAll("b");
  await collector.restart();
  client = collector.client();
  await upload(3);
  await expectAll("b");
});

test("the process of the sinks ends with a collector that was killed", async () => {
  await start([]);
  const data = join(directory, "data");
  const sinks = [{ name: "a", files: { directory: join(directory, "a") } }];
  await writeFile(join(directory, "collector.json"), JSON.stringify(testConfig(data, { sinks })));
  const main = new URL("../main.ts", import.meta.url).pathname;
  const running = spawn(process.execPath, [main, "run", "--config", join(directory, "collector.json")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(running, "exit");
  let pid = 0;
  for await (const text of createInterface({ input: running.stderr })) {
    const line = JSON.parse(text) as { event: string; pid: number };
    if (line.event === "sinks-started") ({ pid } = line);
    if (line.event === "sink-opened") break;
  }
  running.kill("SIGKILL");
  await ended;
  expect(pid).toBeGreaterThan(0);
  await until(() => expect(() => process.kill(pid, 0)).toThrow(/ESRCH/u));
});
