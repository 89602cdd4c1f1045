import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type LogFields } from "@paddock/base/log.ts";
import { generateIdentity, identityToPem } from "@paddock/wire/identity.ts";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import type { GatewayReport } from "./fleet/fleet-report.ts";
import type { Consumer } from "./log/consumers.ts";
import { askJson } from "./operator/operator-client.ts";
import { openLedger } from "./testing/ledger-file.ts";
import { CLAIM, TestCollector } from "./testing/test-collector.ts";

/** What a disk or a hand makes of a file. The last one puts a directory in its place. */
const DAMAGES: [name: string, change: (path: string) => Promise<void>][] = [
  ["empty", (path) => writeFile(path, "")],
  ["half", async (path) => writeFile(path, (await readFile(path)).subarray(0, 9))],
  ["zeroed", async (path) => writeFile(path, Buffer.alloc((await readFile(path)).length))],
  ["wrong type", (path) => writeFile(path, '["offset", 3]')],
  [
    "a directory",
    async (path) => {
      await rm(path);
      await mkdir(path);
    },
  ],
];

let collector: TestCollector;
let sealer: Sealer;
let events: [event: string, fields: LogFields][];

beforeEach(async () => {
  events = [];
  const log = { ...silentLog, error: (event: string, fields: LogFields = {}) => void events.push([event, fields]) };
  collector = await TestCollector.start({}, { log });
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
});

afterEach(() => collector.end());

const inDirectory = (...parts: string[]): string => join(collector.directory, ...parts);
const place = (): Promise<Consumer> => askJson<Consumer>(collector.socket, { path: "/v1/consumers/lake" });
const fleet = async (): Promise<GatewayReport[]> =>
  (await askJson<{ gateways: GatewayReport[] }>(collector.socket, { path: "/v1/fleet" })).gateways;

async function putPlaces(...offsets: number[]): Promise<void> {
  for (const offset of offsets) {
    await askJson(collector.socket, { method: "PUT", path: "/v1/consumers/lake", body: { offset } });
  }
}

async function fork(): Promise<string> {
  const [first, second] = sealer.sealMany(2);
  const twin = new Sealer({ identity: sealer.identity, seq: 1, previous: first!.hash }).seal(testPayload(77));
  await collector.client().upload(sealer.chain, [first!, second!]);
  expect((await collector.client().upload(sealer.chain, [twin])).status).toBe(409);
  const [name] = await readdir(inDirectory("evidence"));
  return name!;
}

describe("a consumer's place that is damaged", () => {
  test.each(DAMAGES)("(%s) is set aside, and the place before it holds", async (_name, change) => {
    await collector.client().upload(sealer.chain, sealer.sealMany(5));
    await putPlaces(2, 4);
    await collector.whileStopped(() => change(inDirectory("consumers", "lake.json")));
    expect(await place()).toMatchObject({ offset: 2 });
    expect(events).toMatchObject([["set-aside", { goesOnWith: "its place before, 2" }]]);
    expect(await readdir(inDirectory("consumers"))).toContain("lake.json.damaged");
    // Again, with a new place: what was set aside before stays.
    await putPlaces(5);
    await collector.whileStopped(() => change(inDirectory("consumers", "lake.json")));
    expect(await place()).toMatchObject({ offset: 2 });
    expect(await readdir(inDirectory("consumers"))).toContain("lake.json.damaged-2");
  });

  test("without one before is forgotten, and the others go on", async () => {
    await collector.client().upload(sealer.chain, sealer.sealMany(5));
    await putPlaces(2);
    await askJson(collector.socket, { method: "PUT", path: "/v1/consumers/other", body: { offset: 3 } });
    await collector.whileStopped(() => writeFile(inDirectory("consumers", "lake.json"), ""));
    const all = await askJson<Consumer[]>(collector.socket, { path: "/v1/consumers" });
    expect(all).toMatchObject([{ name: "other", offset: 3 }]);
  });
});

describe("evidence whose description is damaged", () => {
  test.each(DAMAGES)("(%s) still counts: its headers tell", async (_name, change) => {
    const name = await fork();
    const [before] = (await fleet())[0]!.forks;
    await collector.whileStopped(() => change(inDirectory("evidence", name, "description.json")));
    const [after] = (await fleet())[0]!.forks;
    expect(after).toEqual({ ...before, detail: expect.stringMatching(/damaged/u), found: expect.any(Number) });
    expect(events.map(([event]) => event)).toContain("set-aside");
    expect(await readdir(inDirectory("evidence", name))).toContain("description.json.damaged");
    await collector.restart();
    expect((await fleet())[0]!.forks).toEqual([after]);
  });

  test("and whose headers are, too, is set aside whole", async () => {
    const name = await fork();
    await collector.whileStopped(async () => {
      await writeFile(inDirectory("evidence", name, "description.json"), "");
      await writeFile(inDirectory("evidence", name, "offered-header.cose"), "");
    });
    expect((await fleet())[0]!.forks).toEqual([]);
    expect(await readdir(inDirectory("evidence"))).toEqual([`${name}.damaged`]);
    await collector.restart();
  });
});

describe("what does not belong there", () => {
  test("in the evidence stays where it is, and in nobody's way", async () => {
    const name = await fork();
    await collector.whileStopped(async () => {
      await writeFile(inDirectory("evidence", "notes.txt"), "looked into it");
      await mkdir(inDirectory("evidence", "copies"));
      await cp(inDirectory("evidence", name), inDirectory("evidence", "copies", name), { recursive: true });
    });
    expect((await fleet())[0]!.forks).toHaveLength(1);
    expect(await readdir(inDirectory("evidence"))).toEqual(["copies", name, "notes.txt"].toSorted());
  });

  test.each(["evidence", "consumers"])("a file in place of %s/ is set aside", async (name) => {
    await collector.whileStopped(async () => {
      await rm(inDirectory(name), { recursive: true });
      await writeFile(inDirectory(name), "");
    });
    expect(await fleet()).toHaveLength(1);
    expect(events).toMatchObject([["set-aside", { kept: inDirectory(`${name}.damaged`) }]]);
  });
});

describe("side entries of the ledger that are damaged", () => {
  test("the collector starts and goes on, whichever of them has whichever damage", async () => {
    await collector.client().upload(sealer.chain, sealer.sealMany(300));
    await collector.collector.settled();
    const chain = `${Buffer.from(sealer.identity.id).toString("hex")}/telemetry/0`;
    const keys = [
      ...["activity/", "told/", "receipts-kept/", "receipt/"].map((prefix) => `${prefix}${chain}`),
      `own/${chain}/0000000000000001`,
      "collector",
    ];
    const values = [Buffer.alloc(0), Buffer.from("{"), Buffer.from('"x"'), Buffer.alloc(40)];
    // Every key gets every value, and no two neighbours the same one at a time.
    for (let round = 0; round < values.length; round++) {
      await collector.whileStopped(async () => {
        const ledger = await openLedger(collector.directory);
        const side = keys.map((key, index) => ({ key, value: values[(round + index) % values.length]! }));
        await ledger.append({ chain: sealer.chain, batches: [], side });
        await ledger.close();
      });
      expect(await fleet()).toHaveLength(1);
    }
    expect((await collector.client().upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
    expect((await fleet())[0]).toMatchObject({ severity: "ok" });
  });
});

describe("the identity", () => {
  test("that is gone beside a ledger is not replaced in silence", async () => {
    const path = inDirectory("identity.pem");
    const pem = await readFile(path);
    await expect(collector.whileStopped(() => rm(path))).rejects.toMatchObject({ code: "IDENTITY_MISMATCH" });
    expect(await readdir(collector.directory)).not.toContain("identity.pem");
    await writeFile(path, pem, { mode: 0o600 });
    await collector.restart();
  });

  test("that is another's is refused", async () => {
    const path = inDirectory("identity.pem");
    const pem = await readFile(path);
    const change = () => writeFile(path, identityToPem(generateIdentity()));
    await expect(collector.whileStopped(change)).rejects.toMatchObject({ code: "IDENTITY_MISMATCH" });
    await writeFile(path, pem);
    await collector.restart();
  });
});
