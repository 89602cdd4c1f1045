import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest } from "./variables.ts";

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
    const kernel = machine.waitFor(/EFI stub/u, 120_000).then(() => Date.now());
    const sensor = site.startSensor("first");
    await machine.waitFor(/every block of the root is as released/u, 120_000);
    const first = await eventually("the first acknowledged frame", () => sensor.acknowledged[0], 180_000);
    context.diagnostic(`kernel to first acknowledged frame: ${((first.atMs - (await kernel)) / 1000).toFixed(1)} s`);
    await machine.waitFor(/"event":"ready"/u, 10_000);
    assert.doesNotMatch(machine.text, /FAILED|"level":"error"/u);
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
