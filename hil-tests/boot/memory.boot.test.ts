import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PROGRAMS } from "../lab/failover/program.ts";
import { eventually } from "../lab/namespaces.ts";
import { directStart } from "./direct-start.ts";
import type { Disk } from "./disk.ts";
import { CONSOLE, Machine } from "./machine.ts";
import { Site, UPLINKS } from "./site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS } from "./variables.ts";

/**
 * With 128 behind UEFI the firmware has no room to unpack the kernel ("EFI stub: ERROR: Failed to decompress kernel"), so
 * that the least is started as the loader of a small board does.
 */
const SIZES = [
  { mib: 160, by: "UEFI" },
  { mib: 128, by: "a loader without firmware" },
];
/**
 * A thousand frames a second are offered for this time; an emulated processor needs more of it to take them, on a machine
 * with other work two hundred times as much.
 */
const LOAD = {
  "paddock-scenario": 1,
  name: "thousand",
  duration: "5s",
  fleets: [
    {
      name: "many",
      count: 1000,
      cadence: "1s",
      jitter: "500ms",
      message: "con",
      model: { kind: "sine", name: "temperature", unit: "Cel", mean: 14, amplitude: 6, period: "10min" },
    },
  ],
};

let site: Site;
let disk: Disk;
before(async () => {
  site = new Site();
  if (onDemand.skip === false) disk = await site.startWithDisk(imageUnderTest());
});
after(() => site.end());

for (const { mib, by } of SIZES)
  void test(
    `${mib} MiB, started by ${by}, are enough to take frames; what is given up for that is said`,
    onDemand,
    async (context) => {
      const machine = await Machine.start({
        ...site.machine(disk.path, "small"),
        ...(by === "UEFI" ? {} : { direct: await directStart(disk) }),
        memoryMiB: mib,
        kernelArguments: CONSOLE,
      });
      try {
        const sensor = site.startSensor(`small${mib}`, 50);
        await eventually("fifty acknowledged frames", () => sensor.acknowledged[49], START_LIMIT_MS);
        await machine.waitFor(/little memory: BFD is not started/u, START_LIMIT_MS);
        await site.everyPromiseKept(START_LIMIT_MS);
        context.diagnostic(await memoryOf(machine));
        assert.doesNotMatch(await machine.shell("dmesg", START_LIMIT_MS), /Out of memory/u);
      } finally {
        await machine.cutPower();
      }
    },
  );

void test("256 MiB are enough for a thousand frames a second", onDemand, async (context) => {
  const machine = await Machine.start({
    ...site.machine(disk.path, "middle"),
    memoryMiB: 256,
    kernelArguments: CONSOLE,
  });
  try {
    const sensor = site.startSensor("middle", 1);
    await eventually("the first acknowledged frame", () => sensor.acknowledged[0], START_LIMIT_MS);
    await machine.waitFor(/"event":"ready"/u, START_LIMIT_MS);
    const summary = await load();
    context.diagnostic(JSON.stringify(summary));
    context.diagnostic(await memoryOf(machine));
    assert.doesNotMatch(await machine.shell("dmesg", START_LIMIT_MS), /Out of memory/u);
    await site.everyPromiseKept(START_LIMIT_MS);
  } finally {
    await machine.cutPower();
  }
});

/** Runs the load against the machine. Resolves with the simulator's summary; fails when a frame stays without an answer. */
async function load(): Promise<unknown> {
  const scenario = join(site.directory, "thousand.json");
  await writeFile(scenario, JSON.stringify(LOAD));
  const { tap, eui } = UPLINKS[0];
  const target = `[fe80${eui}%${tap}]:5683`;
  const out = join(site.directory, "sent.ndjson");
  const args = [PROGRAMS.sim, "run", scenario, "--seed", "1", "--target", target, "--out", out, "--json"];
  const child = site.namespace.spawn(process.execPath, [...args, "--sockets", "64"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout!.on("data", (bytes: Buffer) => (said += bytes.toString("utf8")));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, said);
  return JSON.parse(said);
}

async function memoryOf(machine: Machine): Promise<string> {
  const lines = await machine.shell(
    "grep -hE '^(MemTotal|MemAvailable)' /proc/meminfo; grep -hE '^(VmHWM|VmRSS|RssAnon)' /proc/$(systemctl show -P MainPID paddock-gateway)/status",
    START_LIMIT_MS,
  );
  return lines
    .split("\n")
    .filter((line) => /kB/u.test(line))
    .join(", ")
    .replaceAll(/\s+/gu, " ");
}
