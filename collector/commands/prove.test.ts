import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInProcess, type Ended } from "@paddock/base/testing/in-process.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { CLOCK_UNSET, decodeHeader, headerHash, sealHeader, sha256 } from "@paddock/wire/batch-header.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { LogLine } from "../log/log-line.ts";
import { askJson } from "../operator/operator-client.ts";
import { DatingBook } from "../sinks/dating.ts";
import type { Row } from "../sinks/row.ts";
import { rowsOfBatch } from "../sinks/rows.ts";
import { writeLakeFile } from "../testing/small-lake.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import { collectorCommand } from "./collector-command.ts";

/** Two readings, 21.5 Cel and an hour before 22.5: [{n: "room:temp", u: "Cel", v: 21.5}, {n: "room:temp", u: "Cel", v: 22.5, t: -3600}]. */
const FRAME = "82a30069726f6f6d3a74656d70016343656c02f94d60a40069726f6f6d3a74656d70016343656c02f94da006390e0f";
const BYTES_FRAME = "81a2006161084100";

let collector: TestCollector;
let lake: string;
let config: string;
let sealer: Sealer;
let log: string;
let rows: Row[];

beforeAll(async () => {
  collector = await TestCollector.start();
  lake = await mkdtemp(join(tmpdir(), "paddock-prove-"));
  config = join(collector.directory, "collector.json");
  await writeFile(config, JSON.stringify({ dataDir: collector.directory }));
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  const plain = [sealer.seal(payloadOf([FRAME, BYTES_FRAME]), 2), sealer.seal(payloadOf(["a0"]))];
  await collector.client().upload(sealer.chain, plain);
  const undated = sealUndated();
  await collector.client().upload({ ...sealer.chain, lane: 2 }, [undated]);
  const fleet = await askJson<{ ledger: { log: string } }>(collector.socket, { path: "/v1/fleet" });
  ({ log } = fleet.ledger);
  rows = [];
  const lanes = [1, 1, 2] as const;
  for (const [at, { header, payload, offset }] of [
    { ...plain[0]!, offset: 0 },
    { ...plain[1]!, offset: 2 },
    { ...undated, offset: 3 },
  ].entries()) {
    const decoded = decodeHeader(header);
    if (!decoded.ok) throw new Error(decoded.detail);
    const { count, seq } = decoded.value.position;
    const chain = { ...sealer.chain, lane: lanes[at]! };
    const batch = { offset, count, seq, chain, received: await arrivalOf(offset), decoded: decoded.value, payload };
    rows.push(...rowsOfBatch(batch, offset, new DatingBook()).rows);
  }
});

afterAll(async () => {
  await collector.end();
  await rm(lake, { recursive: true, force: true });
});

function payloadOf(frames: readonly string[]): Buffer {
  const source = encodeSource("mote-1");
  const parts = frames.map((hex, at) => {
    const frame = Buffer.from(hex, "hex");
    const bytes = Buffer.alloc(recordSize(at, source, 112, frame.length));
    writeRecord(bytes, 0, at, source, 112, frame);
    return bytes;
  });
  return Buffer.concat(parts);
}

/** A batch of a gateway that does not know the time. */
function sealUndated() {
  const payload = payloadOf([FRAME]);
  const chain = { lane: 2, epoch: 0, seq: 0, previous: null, count: 1, size: payload.length } as const;
  const position = { ...chain, boot: 9, monotonic: 7_000_000, wall: 0, clock: CLOCK_UNSET } as const;
  const header = sealHeader(sealer.identity, position, sha256(payload));
  return { header, payload, seq: 0, hash: Uint8Array.from(headerHash(header)) };
}

async function arrivalOf(offset: number): Promise<number> {
  const line = await askJson<LogLine>(collector.socket, { path: `/v1/log?from=${offset}&limit=1` });
  return line.received;
}

/** The readings of a log offset, changed, as a file of the lake: in order of time, so that the second of FRAME is its row 0. */
function fileOf(
  offset: number,
  change: (row: Row) => Row = (row) => row,
  more: { log?: string } = {},
): Promise<string> {
  const chosen = rows.filter((row) => row.offset === offset && row.name !== "a").map(change);
  return writeLakeFile(lake, "here", chosen, { log, name: `part-${offset}`, date: "2026-03-01", ...more });
}

const prove = (...argv: string[]): Promise<Ended> =>
  runInProcess(collectorCommand, ["prove", ...argv, "--config", config]);

describe("a row of a file", () => {
  test("leads to a proof that verifies, and is what was sealed", async () => {
    const file = await fileOf(0);
    const out = join(lake, "reading.proof");
    const { code, stdout, stderr } = await prove("--file", file, "--row", "0", "--out", out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`${file}, row 0, is what was sealed: reading 2 of 2 in the record at log offset 0.`);
    expect(stdout).toMatch(/value +22\.5\n/u);
    expect(stdout).toContain(`time          ${new Date(rows[1]!.timeUs / 1000).toISOString().slice(0, -1)}000Z`);
    const gateway = rows[0]!.gateway;
    expect(await runInProcess(collectorCommand, ["verify", out, "--gateway", gateway])).toMatchObject({ code: 0 });
    expect(await prove("--file", file, "--offset", "0", "--part", "1")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("row 0, is what"),
    });
    const json = JSON.parse((await prove("--file", file, "--row", "1", "--json")).stdout) as object;
    expect(json).toMatchObject({
      offset: 0,
      part: 0,
      readings: 2,
      sealed: true,
      differences: [],
      written: null,
      reading: { value: 21.5, log_offset: 0 },
    });
  });

  test("that was changed is found, column by column", async () => {
    const file = await fileOf(0, (row) => (row.part === 0 ? { ...row, number: 99, timeUs: row.timeUs + 1 } : row));
    const { code, stdout } = await prove("--file", file, "--row", "1");
    expect(code).toBe(1);
    expect(stdout).toContain(`${file}, row 1, is not what was sealed. It claims to be reading 1 of 2`);
    expect(stdout).toContain("  value: 99 in the file, 21.5 in the record\n");
    expect(stdout).toMatch(/ {2}time: .*001Z in the file, .*000Z in the record/u);
    expect(await prove("--file", file, "--row", "0")).toMatchObject({ code: 0 });
    const json = JSON.parse((await prove("--file", file, "--row", "1", "--json")).stdout) as object;
    expect(json).toMatchObject({
      sealed: false,
      differences: [{ column: "time" }, { column: "value", file: 99, proven: 21.5 }],
    });
  });

  const CHANGES: [string, (row: Row) => Row][] = [
    ["unit", (row) => ({ ...row, unit: null })],
    ["value", (row) => ({ ...row, number: -0 })],
    ["flag", (row) => ({ ...row, flag: false })],
    ["data", (row) => ({ ...row, data: Buffer.from([0]) })],
    ["source", (row) => ({ ...row, source: "mote-2" })],
    ["clock", (row) => ({ ...row, clock: "dated" })],
    ["arrived", (row) => ({ ...row, arrivedMs: row.arrivedMs + 1 })],
    ["monotonic_us", (row) => ({ ...row, monotonicUs: 5 })],
  ];
  test.each(CHANGES)("whose %s alone was changed is found", async (column, change) => {
    const { code, stdout } = await prove("--file", await fileOf(0, change), "--row", "0");
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: expect.stringMatching(new RegExp(`differs:\n  ${column}: .*\n$`, "u")),
    });
  });

  test("that claims a reading which the record has not is found", async () => {
    const file = await fileOf(0, (row) => ({ ...row, part: row.part + 7 }));
    expect(await prove("--file", file, "--row", "1")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/has 2 readings, and none is part 7/u),
    });
    const none = await fileOf(0, (row) => ({ ...row, offset: 2 }));
    expect(await prove("--file", none, "--row", "0")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/log offset 2 has 0 readings/u),
    });
  });

  test("of a boot without a clock holds, dated or not", async () => {
    const undated = await fileOf(3);
    expect(await prove("--file", undated, "--row", "1")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/time_by +collector/u),
    });
    const dated = await fileOf(3, (row) => ({ ...row, clock: "dated", timeBy: "gateway", timeUs: row.timeUs - 1e9 }));
    expect(await prove("--file", dated, "--row", "1")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/dated by a later batch/u),
    });
    const changed = await fileOf(3, (row) => ({ ...row, clock: "dated", timeBy: "sensor" }));
    expect(await prove("--file", changed, "--row", "1")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/time_by: sensor in the file/u),
    });
  });
});

test("a key alone says which reading it is", async () => {
  expect(await prove("--offset", "1", "--part", "0")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /reading 1 of 1 in the record at log offset 1, as its gateway sealed it:[\s\S]*data +AA==\n/u,
    ),
  });
  expect(await prove("--offset", "1", "--part", "1")).toMatchObject({ code: 1 });
});

async function said(...argv: string[]): Promise<string> {
  return (await prove(...argv)).stderr;
}

describe("what is refused", () => {
  test("a file of another log", async () => {
    const file = await fileOf(0, undefined, { log: "f".repeat(32) });
    expect(await prove("--file", file, "--row", "0")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/of log ffff/u),
    });
  });

  test("what is no file of the lake, or has no such row", async () => {
    const file = await fileOf(0);
    const cut = join(lake, "cut.parquet");
    await writeFile(cut, (await readFile(file)).subarray(0, -9));
    expect(await said("--file", join(lake, "none"), "--row", "0")).toMatch(
      /USAGE: .*none cannot be read as Parquet: ENOENT/u,
    );
    expect(await said("--file", cut, "--row", "0")).toMatch(/USAGE: .*cannot be read as Parquet/u);
    expect(await said("--file", file, "--row", "2")).toMatch(/has 2 rows; there is no row 2/u);
    expect(await said("--file", file, "--offset", "5", "--part", "0")).toMatch(/no row with log_offset 5/u);
    expect(await said("--file", file)).toMatch(/Name --file and --row/u);
    expect(await said("--offset", "4711", "--part", "0")).toMatch(/COLLECTOR_REFUSED/u);
  });
});
