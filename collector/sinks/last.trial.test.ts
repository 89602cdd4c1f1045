import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { collectorCommand } from "../commands/collector-command.ts";
import { ask, askJson } from "../operator/operator-client.ts";
import type { LastReport } from "../operator/operator-last.ts";
import { CLAIM, testConfig, TestCollector } from "../testing/test-collector.ts";
import { senmlPayload } from "./testing/frames.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-last-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const last = (socket: string, query = ""): Promise<LastReport> => askJson(socket, { path: `/v1/last?${query}` });

/** Without what moves with the time of the question. */
const timeless = ({ values, tier, offset }: LastReport) => ({
  tier,
  offset,
  values: values.map((value) => ({ ...value, ageS: 0 })),
});

test("a collector and its sinks, killed and started again, answer the same", async () => {
  // The ledger is made by a collector in this process; those that are killed are programs.
  const collector = await TestCollector.start({ last: { enabled: true } });
  const sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  const client = collector.client();
  let uploaded = 0;
  const upload = async (records: number): Promise<void> => {
    const values = Array.from({ length: records }, () => uploaded++);
    expect((await client.upload(sealer.chain, [sealer.seal(senmlPayload(values), records)])).status).toBe(200);
  };
  const answered = async (): Promise<LastReport> => {
    await until(async () => expect(await last(collector.socket)).toMatchObject({ behind: 0, offset: uploaded }));
    return last(collector.socket, "sensor=mote-1&name=urn*");
  };
  let running: ChildProcess | undefined;
  try {
    await upload(5);
    await upload(7);
    const before = timeless(await answered());
    expect(before).toMatchObject({ tier: "memory", values: [{ value: 11, offset: 11, part: 0, sensor: "mote-1" }] });
    // Without a snapshot, as none is due yet.
    process.kill(collector.collector.sinks!.pid!, "SIGKILL");
    expect(timeless(await answered())).toEqual(before);
    const metrics = (await ask(collector.socket, { path: "/metrics" })).toString("utf8");
    expect(metrics).toMatch(/paddock_collector_last_reads_total\{tier="memory"\} \d/u);
    await until(async () =>
      expect((await ask(collector.socket, { path: "/metrics" })).toString("utf8")).toContain(
        'paddock_collector_sink_entries{sink="last-values",kind="last"} 1',
      ),
    );
    expect(await runInProcess(collectorCommand, ["sinks", "--socket", collector.socket])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/OK +last-values \(last\).*all kept/u) as string,
    });

    await collector.whileStopped(async (dataDir) => {
      const config = join(directory, "collector.json");
      await writeFile(config, JSON.stringify(testConfig(dataDir, { last: { enabled: true } })));
      const socket = join(dataDir, "operator.sock");
      for (let kill = 0; kill < 2; kill++) {
        const main = new URL("../main.ts", import.meta.url).pathname;
        running = spawn(process.execPath, [main, "run", "--config", config], { stdio: ["ignore", "ignore", "pipe"] });
        const ended = once(running, "exit");
        for await (const text of createInterface({ input: running.stderr! })) {
          if ((JSON.parse(text) as { event: string }).event === "ready") break;
        }
        running.stderr!.resume();
        await until(async () => expect(await last(socket)).toMatchObject({ behind: 0, offset: uploaded }));
        expect(timeless(await last(socket, "sensor=mote-1&name=urn*"))).toEqual(before);
        running.kill("SIGKILL");
        await ended;
      }
    });
  } finally {
    running?.kill("SIGKILL");
    await collector.end();
  }
});

test("a ledger that was made anew is followed from its start, by itself", async () => {
  const collector = await TestCollector.start({ last: { enabled: true } });
  try {
    const sealer = new Sealer({ identity: testIdentity(1) });
    await collector.enrol(sealer.identity, { claim: CLAIM });
    expect((await collector.client().upload(sealer.chain, [sealer.seal(senmlPayload([1, 2]), 2)])).status).toBe(200);
    await until(async () => expect((await last(collector.socket)).values).toHaveLength(1));
    await collector.whileStopped((dataDir) => rm(join(dataDir, "ledger"), { recursive: true }));
    await until(async () =>
      expect(await last(collector.socket)).toMatchObject({ values: [], offset: 0, complete: true }),
    );
  } finally {
    await collector.end();
  }
});

test("a collector without sinks has none, unless it is told to", async () => {
  const collector = await TestCollector.start();
  try {
    expect(collector.collector.sinks).toBeUndefined();
    await expect(last(collector.socket)).rejects.toThrow(/404.*"enabled": true/u);
  } finally {
    await collector.end();
  }
});
