import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, runInProcess } from "@paddock/base/testing/in-process.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";
import { hexOf } from "../chain-name.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import { collectorCommand } from "./collector-command.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;

let collector: TestCollector;
let config: string;
let sealer: Sealer;

beforeAll(async () => {
  collector = await TestCollector.start();
  config = join(collector.directory, "collector.json");
  await writeFile(config, JSON.stringify({ dataDir: collector.directory }));
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  await collector
    .client()
    .upload(sealer.chain, [...sealer.sealMany(2), sealer.seal(senmlPayload())], { "paddock-path": "fibre" });
});

afterAll(() => collector.end());

/** One record with the pack [{n: "room/temp", u: "Cel", v: 21.5}] (RFC 8428 §6). */
function senmlPayload(): Buffer {
  const frame = Buffer.from("81a30069726f6f6d2f74656d70016343656c02f94d60", "hex");
  const source = encodeSource("mote-1");
  const payload = Buffer.alloc(recordSize(0, source, 112, frame.length));
  writeRecord(payload, 0, 0, source, 112, frame);
  return payload;
}

const paddock = (...argv: readonly string[]): Promise<Ended> => runInProcess(collectorCommand, argv);

/** The program, in a process of its own. */
async function started(...argv: readonly string[]): Promise<Ended> {
  return { code: 0, ...(await promisify(execFile)(process.execPath, [MAIN, ...argv])) };
}

describe("the commands", () => {
  test("say what they do, and refuse what they do not know", async () => {
    expect(await paddock("--help")).toMatchObject({ code: 0, stdout: /export-proof/u });
    expect(await paddock("log", "--help")).toMatchObject({ code: 0, stdout: /--follow/u });
    expect(await paddock("fleat")).toMatchObject({ code: 2, stderr: /Did you mean fleet/u });
    expect(await paddock("fleet", "--nonsense")).toMatchObject({ code: 2, stderr: /USAGE/u });
    expect(await paddock("fleet", "--socket", join(collector.directory, "none"))).toMatchObject({
      code: 2,
      stderr: /STATUS_UNREACHABLE/u,
    });
  });

  test("run checks and prints its configuration", async () => {
    expect(await paddock("run", "--config", config, "--check-config")).toMatchObject({ code: 0 });
    const printed = await paddock("run", "--config", config, "--print-config");
    expect(JSON.parse(printed.stdout)).toMatchObject({ listen: [{ address: "::", port: 8443 }] });
    const broken = join(collector.directory, "broken.json");
    await writeFile(broken, JSON.stringify({ dataDir: "x", limit: {} }));
    expect(await paddock("run", "--config", broken, "--check-config")).toMatchObject({
      code: 2,
      stderr: /limit: unknown key/u,
    });
  });

  test("id prints the key that the collector shows", async () => {
    expect((await paddock("id", "--config", config)).stdout.trim()).toBe(hexOf(collector.identity.publicKeyRaw));
  });

  test("fleet and gaps answer for people and for programs, and consumers keep places", async () => {
    const text = await paddock("fleet", "--config", config);
    const json = await paddock("fleet", "--config", config, "--json");
    const gaps = await paddock("gaps", "--config", config);
    const moved = await paddock("consumers", "lake", "--offset", "2", "--config", config);
    const listed = await paddock("consumers", "--config", config, "--json");
    expect(text).toMatchObject({
      code: 0,
      stdout: /OK .*claimed.*All here[\s\S]*telemetry epoch 0: 3 batches.*by fibre/u,
    });
    expect(JSON.parse(json.stdout)).toMatchObject({ gateways: [{ state: "approved" }] });
    expect(gaps).toMatchObject({ code: 0, stdout: /No gaps/u });
    expect(moved).toMatchObject({ code: 0, stdout: /lake: offset 2 with 1 record\(s\) behind it, since/u });
    expect(listed.code).toBe(0);
  });

  test("log replays in three formats", async () => {
    const lines = await paddock("log", "--config", config, "--from", "1", "--limit", "2");
    const readings = await paddock("log", "--config", config, "--from", "2", "--format", "senml");
    const sequence = await started("log", "--config", config, "--format", "cbor");
    const refused = await paddock("log", "--config", config, "--from", "yesterday");
    expect(
      lines.stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { offset: number }).offset),
    ).toEqual([1, 2]);
    expect(JSON.parse(readings.stdout)).toMatchObject({
      offset: 2,
      source: "mote-1",
      name: "room/temp",
      unit: "Cel",
      number: 21.5,
    });
    expect(sequence.stdout).toContain("telemetry");
    expect(refused).toMatchObject({ code: 2, stderr: /no time/u });
  });

  test("log reads on from a consumer's place and moves it along, and says where the log ends", async () => {
    await paddock("consumers", "reader", "--offset", "1", "--config", config);
    const look = await paddock("log", "--consumer", "reader", "--no-commit", "--limit", "1", "--config", config);
    const first = await paddock("log", "--consumer", "reader", "--limit", "1", "--config", config);
    expect(look.stdout).toBe(first.stdout);
    expect(await paddock("log", "--commit", "--config", config)).toMatchObject({ code: 2 });
    expect(first.stdout.trim().split("\n")).toHaveLength(1);
    const rest = await paddock("log", "--consumer", "reader", "--format", "senml", "--config", config);
    expect(JSON.parse(rest.stdout)).toMatchObject({ offset: 2, number: 21.5 });
    expect((await paddock("consumers", "reader", "--config", config)).stdout).toMatch(
      /offset 3, at the end of the log/u,
    );
    expect(await paddock("consumers", "reader", "--remove", "--config", config)).toMatchObject({ code: 0 });
    expect(await paddock("log", "--consumer", "reader", "--config", config)).toMatchObject({
      code: 2,
      stderr: /no consumer reader\. To make one .*consumers reader --offset 0/u,
    });
    expect(await paddock("log", "--from", "99", "--config", config)).toMatchObject({
      code: 2,
      stderr: /COLLECTOR_REFUSED.*end of the log, 3/u,
    });
  });

  test("without --config look at the usual place, and say so", async () => {
    expect(await paddock("fleet")).toMatchObject({
      code: 2,
      stderr: /\/etc\/paddock\/collector.json[\s\S]*--config FILE/u,
    });
  });

  test("approve and deny decide", async () => {
    const waiting = testIdentity(4);
    await collector.enrol(waiting);
    const id = hexOf(waiting.id);
    expect(await paddock("approve", id.slice(0, 12), "--config", config)).toMatchObject({
      code: 0,
      stdout: /is approved/u,
    });
    expect(await paddock("deny", id, "--socket", collector.socket, "--json")).toMatchObject({
      code: 0,
      stdout: /"denied"/u,
    });
    expect(await paddock("approve", "xyz", "--config", config)).toMatchObject({ code: 2 });
  });

  test("export-proof and verify carry the evidence for one record", async () => {
    const file = join(collector.directory, "reading.proof");
    const parts = join(collector.directory, "parts");
    expect(
      await paddock("export-proof", "--offset", "0", "--out", file, "--dir", parts, "--config", config),
    ).toMatchObject({ code: 0 });
    expect((await readdir(parts)).toSorted()).toEqual([
      "collector.pem",
      "frame.bin",
      "gateway.pem",
      "header-000.cose",
      "header-001.cose",
      "header-002.cose",
      "payload.cborseq",
      "receipt.cose",
    ]);
    const gateway = hexOf(sealer.identity.id);
    expect(await paddock("verify", file, "--gateway", gateway)).toMatchObject({
      code: 0,
      stdout: /The proof holds[\s\S]*3 signed headers/u,
    });
    expect(await paddock("verify", file, "--collector", gateway)).toMatchObject({
      code: 2,
      stderr: /not of[\s\S]*holds in itself/u,
    });
    // What `collector id` prints is the public key, and does as well; what is neither does not read like failed evidence.
    const key = hexOf(collector.identity.publicKeyRaw);
    expect(await paddock("verify", file, "--collector", key)).toMatchObject({ code: 0 });
    expect(await paddock("verify", file, "--collector", key.slice(0, 12))).toMatchObject({
      code: 2,
      stderr: /USAGE.*64 hex digits/u,
    });
    expect(await paddock("verify", `${file}.none`)).toMatchObject({ code: 2, stderr: /USAGE.*cannot be read/u });
    const nowhere = join(collector.directory, "none", "x.proof");
    expect(await paddock("export-proof", "--offset", "0", "--out", nowhere, "--config", config)).toMatchObject({
      code: 2,
      stderr: /x.proof cannot be written.*Choose a place/u,
    });
    const altered = await readFile(file);
    altered[200]! ^= 1;
    await writeFile(file, altered);
    expect(await paddock("verify", file)).toMatchObject({ code: 2, stderr: /PROOF_INVALID/u });
  });
});
