import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import type { Disk } from "./disk.ts";
import { CONSOLE, Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

/** Little, so that it does not take long to fill. */
const DISK_MIB = 640;

let site: Site;
let disk: Disk;
before(async () => {
  site = new Site();
  if (onDemand.skip === false) await site.startRouters();
});
beforeEach(async () => {
  if (onDemand.skip === false) disk = await site.flash(imageUnderTest(), "disk", DISK_MIB);
});
after(() => site.end());

void test("a machine without a clock starts in the year of its system and loses nothing", onDemand, async () => {
  await site.configure(disk);
  const options = { ...site.machine(disk.path, "timeless"), clock: "1970-01-01T00:00:00", kernelArguments: CONSOLE };
  const machine = await Machine.start(options);
  try {
    const sensor = site.startSensor("timeless", 20);
    await eventually("twenty acknowledged frames", () => sensor.acknowledged[19], START_LIMIT_MS);
    assert.ok((await site.everyPromiseKept(START_LIMIT_MS)) >= 20);
    const [, year] = /year-(\d+)/u.exec(await machine.shell('echo "year"-$(date +%Y)', START_LIMIT_MS))!;
    assert.notEqual(year, "1970");
  } finally {
    await machine.cutPower();
  }
});

void test(
  "a full data partition ends nothing: what is acknowledged stays, and room makes it go on",
  onDemand,
  async (context) => {
    await site.configure(disk);
    const machine = await Machine.start({ ...site.machine(disk.path, "full"), kernelArguments: CONSOLE });
    try {
      const sensor = site.startSensor("full");
      await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS);
      await machine.shell("dd if=/dev/zero of=/var/fill bs=1M; sync; df /var", START_LIMIT_MS);
      const from = machine.text.length;
      await machine.shell("systemctl restart --no-block paddock-gateway", START_LIMIT_MS);
      const { match } = await machine.waitFor(/"event":"ready"|DATA_DIR_UNUSABLE|STORE_\w+/u, START_LIMIT_MS, from);
      context.diagnostic(`a start on a full disk: ${match[0]}`);
      await machine.shell("rm /var/fill; sync", START_LIMIT_MS);
      const soFar = sensor.acknowledged.length;
      await eventually("frames behind the full disk", () => sensor.acknowledged[soFar + 20], START_LIMIT_MS);
      await sensor.stop();
      await site.everyPromiseKept(START_LIMIT_MS);
    } finally {
      await machine.cutPower();
    }
  },
);

void test("when no release can be started, the console says what to do and has a shell", onDemand, async () => {
  await disk.fillWithNoise(`paddock_${VERSIONS.ours}`);
  const machine = await Machine.start(site.machine(disk.path, "no-release"));
  try {
    await machine.waitFor(/No release can be started\. Flash the device anew/u, START_LIMIT_MS);
    assert.match(await machine.shell('echo "shell of" $(cat /proc/1/comm)', START_LIMIT_MS), /shell of \w+/u);
  } finally {
    await machine.cutPower();
  }
});
