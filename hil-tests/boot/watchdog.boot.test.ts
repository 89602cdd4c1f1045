import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import type { Disk } from "./disk.ts";
import { CONSOLE, Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS } from "./variables.ts";

/** Seconds without a sign of life, in place of the image's, which are for slow hardware. */
const LIMIT_S = 60;
const SHORTER = [
  "mkdir -p /run/systemd/system/paddock-gateway.service.d",
  `printf '[Service]\\nWatchdogSec=${LIMIT_S}\\n' >/run/systemd/system/paddock-gateway.service.d/shorter.conf`,
  "systemctl daemon-reload",
  "systemctl restart paddock-gateway",
].join("; ");

let site: Site;
let disk: Disk;
before(async () => {
  site = new Site();
  if (onDemand.skip === false) disk = await site.startWithDisk(imageUnderTest());
});
after(() => site.end());

void test(
  "a gateway that hangs is killed and started again; systemd that hangs, with the machine",
  onDemand,
  async () => {
    const machine = await Machine.start({ ...site.machine(disk.path), kernelArguments: CONSOLE, watchdog: true });
    try {
      const sensor = site.startSensor("watched");
      await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS);
      await machine.shell(SHORTER, START_LIMIT_MS);
      const pid = await mainPid(machine);
      await machine.shell(`kill -STOP ${pid}`, START_LIMIT_MS);
      await machine.shell(`while [ -e /proc/${pid} ]; do sleep 1; done`, START_LIMIT_MS);
      const said = await machine.shell("journalctl --no-pager -u paddock-gateway", START_LIMIT_MS);
      assert.match(said, /Watchdog timeout/u);
      const soFar = sensor.acknowledged.length;
      await eventually("a frame behind the hang", () => sensor.acknowledged[soFar + 10], START_LIMIT_MS);

      const from = machine.text.length;
      // It says so and stops for ever, and no longer tells the watchdog that it is there.
      machine.type("kill -SEGV 1\n");
      await machine.waitFor(/EFI stub/u, START_LIMIT_MS, from);
      const again = sensor.acknowledged.length;
      await eventually("a frame behind the reset", () => sensor.acknowledged[again], START_LIMIT_MS);
      await sensor.stop();
      await site.everyPromiseKept(START_LIMIT_MS);
    } finally {
      await machine.cutPower();
    }
  },
);

async function mainPid(machine: Machine): Promise<string> {
  const said = await machine.shell("systemctl show --property=MainPID paddock-gateway", START_LIMIT_MS);
  return /MainPID=(\d+)/u.exec(said)![1]!;
}
