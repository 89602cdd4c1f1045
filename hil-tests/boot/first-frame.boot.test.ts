import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HEAD_BYTES, judgeHead } from "@paddock/wire/key-slot.ts";
import { eventually } from "../lab/namespaces.ts";
import { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest, START_LIMIT_MS } from "./variables.ts";

/** Name of a sensor, which stands in each of its frames. */
const BUFFERED = "buffered-by-the-north-barn";

let site: Site;
let disk: Disk;
before(async () => {
  site = new Site();
  await site.startRouters();
  disk = await Disk.flash(imageUnderTest(), join(site.directory, "disk"));
});
after(() => site.end());

void test("a machine that was just flashed takes frames and buffers them, without any configuration", async (context) => {
  const machine = await Machine.start(site.machine(disk.path));
  try {
    const kernel = machine.waitFor(/EFI stub/u, START_LIMIT_MS).then(() => Date.now());
    const sensor = site.startSensor(BUFFERED, 10);
    await machine.waitFor(/every block of the root is as released/u, START_LIMIT_MS);
    const first = await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS);
    context.diagnostic(`kernel to first acknowledged frame: ${seconds(first.atMs - (await kernel))}`);
    await machine.waitFor(/"event":"ready"/u, START_LIMIT_MS);
    await machine.waitFor(/names are asked of: .*::53/u, START_LIMIT_MS);
    assert.doesNotMatch(machine.text, /FAILED|"level":"error"|were not loaded at once/u);
  } finally {
    await machine.cutPower();
  }
});

void test("it made its data partition by itself, over the rest of the disk", async () => {
  const partitions = await disk.partitions();
  const labels = partitions.map(({ label }) => label);
  assert.deepEqual(labels, ["esp", "CONFIG", "paddock_0.1.0", "paddock_0.1.0_verity", "_empty", "_empty", "data"]);
  assert.ok(partitions.at(-1)!.size > 500 * 1024 * 1024);
});

void test("the disk holds none of the frames that it took in a form that can be read", async () => {
  assert.deepEqual(judgeHead(await disk.bytes("data", 0, HEAD_BYTES)).kind, "slot");
  assert.equal(await disk.holds(BUFFERED), false);
});

void test("with a gateway.json on its CONFIG partition it forwards, what it had buffered before the power cut too", async (context) => {
  const collectorKey = await site.startCollector();
  const document = join(site.directory, "gateway.json");
  // As a text editor of Windows leaves it.
  await writeFile(
    document,
    `\uFEFF${JSON.stringify(site.gatewayDocument(collectorKey), null, 2).replaceAll("\n", "\r\n")}`,
  );
  await disk.put("CONFIG", "gateway.json", document);
  const machine = await Machine.start(site.machine(disk.path));
  try {
    const kernel = machine.waitFor(/EFI stub/u, START_LIMIT_MS).then(() => Date.now());
    await machine.waitFor(/CONFIG: everything is right/u, START_LIMIT_MS);
    const sensor = site.startSensor("forwarded", 10);
    const first = await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS);
    context.diagnostic(`kernel to first acknowledged frame: ${seconds(first.atMs - (await kernel))}`);
    context.diagnostic(`${await site.everyPromiseKept(START_LIMIT_MS)} acknowledged frames, and all are in the ledger`);
  } finally {
    await machine.cutPower();
  }
});

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
