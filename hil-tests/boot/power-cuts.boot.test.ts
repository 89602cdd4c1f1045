import { randomInt } from "node:crypto";
import { execFileSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../lab/namespaces.ts";
import { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { CUTS_VARIABLE, imageUnderTest, onDemand, START_LIMIT_MS } from "./variables.ts";
import { readWriteLog, replay } from "./write-log.ts";

/** Power cuts of a run; each takes as long as a start. */
const CUTS = Number(process.env[CUTS_VARIABLE] ?? 30);
/** Frames between the start of a machine and the cut of its power, for those cuts that do not come while it starts. */
const FRAMES_MAX = 200;

let site: Site;
before(async () => {
  site = new Site();
  if (onDemand.skip === false) await site.startRouters();
});
after(() => site.end());

/**
 * The disk loses at each cut what no flush made safe, or half of it: a gateway that acknowledges before its bytes are on the
 * disk, and a file system or a partition table that is made in the wrong order, are found. What a cut does to the flash
 * cells themselves, and disks that lie about a flush, are not.
 */
void test(
  `${CUTS} cuts at random, the first ones at the first start, lose no acknowledged frame`,
  onDemand,
  async (context) => {
    const disk = await Disk.flash(imageUnderTest(), join(site.directory, "disk"));
    const document = join(site.directory, "gateway.json");
    await writeFile(document, JSON.stringify(site.gatewayDocument(await site.startCollector())));
    await disk.put("CONFIG", "gateway.json", document);
    const [asItWas, log] = [`${disk.path}.before`, `${disk.path}.writes`];
    let [lost, flushes] = [0, 0];
    for (let cut = 0; cut < CUTS; cut++) {
      await rm(asItWas, { force: true });
      copySparse(disk.path, asItWas);
      const machine = await Machine.start({ ...site.machine(disk.path, "cut"), writeLog: log });
      const sensor = site.startSensor(`cut${cut}`);
      try {
        await machine.waitFor(/paddock: release/u, START_LIMIT_MS);
        if (cut % 3 === 0) await sleep(randomInt(30_000));
        else {
          const frames = randomInt(FRAMES_MAX);
          await eventually(`${frames} frames`, () => sensor.acknowledged.length >= frames, START_LIMIT_MS);
        }
      } finally {
        await machine.cutPower();
        await sensor.stop();
      }
      const writes = await readWriteLog(log);
      const all = cut % 2 === 0;
      lost += await replay(writes, log, asItWas, () => !all && randomInt(2) === 0);
      flushes += writes.flushes;
      copySparse(asItWas, disk.path);
    }
    const machine = await Machine.start(site.machine(disk.path, "cut"));
    try {
      const kept = await site.everyPromiseKept(START_LIMIT_MS);
      context.diagnostic(
        `${kept} acknowledged frames are in the ledger; ${lost} writes of the disks were lost, ${flushes} flushes`,
      );
    } finally {
      await machine.cutPower();
    }
  },
);

/** Most of the disk is holes. */
function copySparse(from: string, to: string): void {
  execFileSync("cp", ["--sparse=always", from, to]);
}
