import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import { buildImage } from "./build-image.ts";
import type { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { arm64Image, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

/** The image for arm64, on a machine with another processor than the one that it was built on. */
let site: Site;
let disk: Disk;
before(async () => {
  site = new Site();
  if (onDemand.skip !== false) return;
  await site.startRouters();
  disk = await site.flash(arm64Image());
});
after(() => site.end());

const start = (): Promise<Machine> => Machine.start({ ...site.machine(disk.path, "arm64"), architecture: "arm64" });

void test("arm64: a machine that was just flashed takes frames and buffers them", onDemand, async (context) => {
  const machine = await start();
  try {
    const kernel = machine.waitFor(/EFI stub/u, START_LIMIT_MS).then(() => Date.now());
    const sensor = site.startSensor("buffered", 10);
    await machine.waitFor(/every block of the root is as released/u, START_LIMIT_MS);
    const first = await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS);
    context.diagnostic(`kernel to first acknowledged frame: ${((first.atMs - (await kernel)) / 1000).toFixed(1)} s`);
    await eventually("the last acknowledged frame", () => sensor.acknowledged[9], START_LIMIT_MS);
    assert.doesNotMatch(machine.text, /FAILED|"level":"error"/u);
  } finally {
    await machine.cutPower();
  }
});

void test(
  "arm64: with a gateway.json it forwards over two uplinks, what it had buffered before the power cut too",
  onDemand,
  async (context) => {
    await site.configure(disk);
    const machine = await start();
    try {
      await machine.waitFor(/CONFIG: everything is right/u, START_LIMIT_MS);
      const sensor = site.startSensor("forwarded", 10);
      await eventually("ten acknowledged frames", () => sensor.acknowledged[9], START_LIMIT_MS);
      const kept = await site.everyPromiseKept(START_LIMIT_MS);
      context.diagnostic(`${kept} acknowledged frames, and all are in the ledger`);
      assert.ok(kept >= 20);
    } finally {
      await machine.cutPower();
    }
  },
);

void test("arm64: a newer release that is garbage gives way to the older one", onDemand, async () => {
  await disk.installNoiseBeside(VERSIONS.ours, VERSIONS.newer);
  const machine = await start();
  const sensor = site.startSensor("garbage");
  try {
    await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS * 2);
    assert.match(machine.text, /release 0\.2\.0 is marked as bad; starting paddock_0\.1\.0/u);
    assert.match(machine.text, /release 0\.1\.0: looking for its root/u);
  } finally {
    await machine.cutPower();
    await sensor.stop();
  }
});

void test("arm64: built again, later and elsewhere, the image is the same bytes", onDemand, () => {
  const directory = mkdtempSync(join(tmpdir(), "paddock-image-"));
  try {
    buildImage(VERSIONS.ours, directory, "arm64");
    const again = join(directory, basename(arm64Image()));
    assert.doesNotThrow(() => execFileSync("cmp", [arm64Image(), again]));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
