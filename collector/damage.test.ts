import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { levelDatabase } from "@paddock/store/database.ts";
import { chainBytes, KEY_SPACES, logKey, seqKey } from "@paddock/store/keyspace.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { until } from "@paddock/base/testing/until.ts";
import { verifyProof } from "@paddock/wire/proof.ts";
import { collectorCommand } from "./commands/collector-command.ts";
import type { GatewayReport } from "./fleet/fleet-report.ts";
import type { LedgerReport } from "./fleet/ledger-report.ts";
import type { Gap } from "./fleet/missing.ts";
import type { LogLine } from "./log/log-line.ts";
import { ask, askJson } from "./operator/operator-client.ts";
import { CLAIM, TestCollector } from "./testing/test-collector.ts";

let collector: TestCollector;
let sealer: Sealer;
let events: string[];

beforeEach(async () => {
  events = [];
  const log = { ...silentLog, error: (event: string) => void events.push(event) };
  collector = await TestCollector.start({}, { log });
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  await collector.client().upload(sealer.chain, sealer.sealMany(12));
  // An alteration, a lost header and a lost log entry, each in a batch of its own, none at the end.
  await collector.whileStopped(async (directory) => {
    const database = levelDatabase(join(directory, "ledger", "generation-000001"));
    await database.open();
    const payloadKey = seqKey(KEY_SPACES.payload, chainBytes(sealer.chain), 2);
    const payload = Buffer.from((await database.get(payloadKey))!);
    payload[payload.length - 1]! ^= 1;
    await database.batch(
      [
        { type: "put", key: payloadKey, value: payload },
        { type: "del", key: seqKey(KEY_SPACES.header, chainBytes(sealer.chain), 5) },
        { type: "del", key: logKey(8) },
      ],
      { sync: true },
    );
    await database.close();
  });
});

afterEach(() => collector.end());

async function lines(query = ""): Promise<LogLine[]> {
  const text = (await ask(collector.socket, { path: `/v1/log?${query}` })).toString("utf8").trim();
  return text.split("\n").map((line) => JSON.parse(line) as LogLine);
}

const proofAt = (offset: number): Promise<Buffer> => ask(collector.socket, { path: `/v1/proof?offset=${offset}` });

const run = (...argv: string[]) => runInProcess(collectorCommand, argv);

test("damage in the ledger is a line, never a reading, and ends no replay", async () => {
  const all = await lines();
  expect(all.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(all[2]).toMatchObject({ damaged: 1, seq: 2 });
  expect(all[5]).toMatchObject({ lost: 1, why: "header", seq: 5 });
  expect(all[8]).toEqual({ offset: 8, lost: 1, why: "entry" });
  expect(all.filter(({ frame }) => frame !== undefined)).toHaveLength(9);
  expect((await lines("from=8&limit=2")).map(({ lost }) => lost)).toEqual([1, undefined]);
  expect(await ask(collector.socket, { path: "/v1/log", accept: "application/cbor-seq" })).not.toHaveLength(0);
  expect(events).toContain("ledger-damaged");
});

test("damage is told as the collector's own, not as its gateway's doing", async () => {
  await lines();
  const gaps = await askJson<Gap[]>(collector.socket, { path: "/v1/gaps" });
  expect(gaps.map(({ cause, ranges }) => [cause, ranges])).toEqual([
    [
      "damaged",
      [
        [2, 2],
        [5, 5],
      ],
    ],
  ]);
  const { gateways, ledger } = await askJson<{ gateways: GatewayReport[]; ledger: LedgerReport }>(collector.socket, {
    path: "/v1/fleet",
  });
  expect(ledger).toMatchObject({ end: 12, lostRecords: 1, damagedPlaces: 1, damage: [{ what: "log", offset: 8 }] });
  expect(gateways[0]).toMatchObject({ severity: "attention", verdict: /2 batches are damaged here/u });
  expect((await ask(collector.socket, { path: "/metrics" })).toString()).toMatch(/paddock_collector_ledger_damage 3/u);
});

test("what is damaged is not proven; what stands before and behind it is", async () => {
  for (const offset of [2, 5, 8]) await expect(proofAt(offset)).rejects.toThrow(/409.*damaged/u);
  expect(expectAccepted(verifyProof(await proofAt(3)))).toMatchObject({ links: 2, receipt: { linked: 5 } });
  expect(expectAccepted(verifyProof(await proofAt(6)))).toMatchObject({ links: 6, receipt: { linked: 12 } });
});

test("ledger verify finds it, on a running collector and on one that is stopped, and changes nothing", async () => {
  const config = join(collector.directory, "collector.json");
  await writeFile(
    config,
    JSON.stringify({ dataDir: collector.directory, store: { ballastBytes: 0, minFreeBytes: 0 } }),
  );
  const check = async (): Promise<void> => {
    const { code, stdout } = await run("ledger", "verify", "--config", config, "--json");
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      chains: 1,
      breaks: [
        { seq: 2, fault: expect.stringMatching(/^payload/u) },
        { seq: 5, fault: "missing" },
      ],
      lostRecords: 2,
      lost: [
        { offset: 5, lost: "header" },
        { offset: 8, lost: "entry" },
      ],
    });
  };
  await check();
  await collector.whileStopped(check);
  await check();
});

test("damage comes to light without anybody who reads, is known again after a restart, and fleet has it", async () => {
  const seen = async (): Promise<void> => {
    const text = (await ask(collector.socket, { path: "/metrics" })).toString();
    expect(text).toMatch(/paddock_collector_ledger_damage 3/u);
  };
  await until(seen);
  await collector.restart();
  await until(seen);
  const shown = await run("fleet", "--socket", collector.socket);
  expect(shown).toMatchObject({
    code: 1,
    stdout: /ATTENTION ledger: 12 records[\s\S]*1 records of the log lost[\s\S]*offsets 8 to 8/u,
  });
});
