import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import type { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest, newerImage, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

let site: Site;
let disk: Disk;
before(async () => {
  site = new Site();
  await site.startRouters();
});
beforeEach(async () => {
  disk = await site.flash(imageUnderTest());
});
after(() => site.end());

/** Starts the machine, waits until it acknowledges a frame, and cuts its power. Resolves with what its console said. */
async function startUntilFrame(name: string): Promise<string> {
  const machine = await Machine.start(site.machine(disk.path, name));
  const sensor = site.startSensor(name);
  try {
    await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS * 2);
    return machine.text;
  } finally {
    await machine.cutPower();
    await sensor.stop();
  }
}

void test("a newer release that is garbage gives way to the older one at once", async () => {
  await disk.installNoiseBeside(VERSIONS.ours, VERSIONS.newer);
  const text = await startUntilFrame("garbage");
  assert.match(text, /release 0\.2\.0: looking for its root/u);
  assert.match(text, /release 0\.2\.0 is marked as bad; starting paddock_0\.1\.0/u);
  assert.match(text, /Welcome to Paddock 0\.1\.0/u);
  assert.ok((await disk.list("esp", "EFI/Linux")).includes("paddock_0.2.0+0-1.efi"));
});

void test(
  "a bit of the root that turned over is found before anything of it runs, and the other release starts",
  onDemand,
  async () => {
    await disk.installBeside(newerImage(), VERSIONS.newer);
    await disk.flipBit(`paddock_${VERSIONS.newer}`, 20 * 1024 * 1024);
    const text = await startUntilFrame("flipped");
    assert.match(text, /is damaged: a block has another hash than the release/u);
    assert.doesNotMatch(text, /Welcome to Paddock 0\.2\.0/u);
    assert.match(text, /Welcome to Paddock 0\.1\.0/u);
  },
);

void test("a damaged release without another one goes on as far as it can, and says so", onDemand, async () => {
  await disk.flipBit(`paddock_${VERSIONS.ours}`, 20 * 1024 * 1024);
  const text = await startUntilFrame("alone");
  assert.match(text, /there is no other release to go back to; going on with a damaged one/u);
});
