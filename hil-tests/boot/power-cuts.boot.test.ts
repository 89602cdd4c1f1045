import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom, systemRandom } from "@paddock/base/random.ts";
import { eventually } from "../lab/namespaces.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { CUTS_VARIABLE, imageUnderTest, onDemand, SEED_VARIABLE, START_LIMIT_MS } from "./variables.ts";
import { readWriteLog, replay } from "./write-log.ts";

/** Power cuts of a run; each takes as long as a start. */
const CUTS = Number(process.env[CUTS_VARIABLE] ?? 30);
/** Each cut draws from a chance of its own, `SEED` and its number; when exactly a machine comes to what is cut, no seed says. */
const SEED = Number(process.env[SEED_VARIABLE] ?? systemRandom.below(1_000_000));
/** About what a start takes, so that any part of one may be cut, and some come behind it. */
const START_MS = 60_000;
/** Frames between the start of a machine and the cut of its power, for those cuts that do not come while it starts. */
const FRAMES_MAX = 200;

let site: Site;
before(() => {
  site = new Site();
});
after(() => site.end());

/**
 * The disk loses at each cut what no flush made safe, or half of it: a gateway that acknowledges before its bytes are on the
 * disk, and a file system or a partition table that is made in the wrong order, are found. What a cut does to the flash
 * cells themselves, and disks that lie about a flush, are not.
 */
void test(
  `${CUTS} cuts at random (seed ${SEED}), the first one at the first start, lose no acknowledged frame`,
  onDemand,
  async (context) => {
    const disk = await site.startWithDisk(imageUnderTest());
    const [asItWas, log] = [`${disk.path}.before`, `${disk.path}.writes`];
    let [lost, flushes, whileStarting] = [0, 0, 0];
    for (let cut = 0; cut < CUTS; cut++) {
      const random = seededRandom(SEED + cut);
      await rm(asItWas, { force: true });
      copySparse(disk.path, asItWas);
      const machine = await Machine.start({ ...site.machine(disk.path, "cut"), writeLog: log });
      const sensor = site.startSensor(`cut${cut}`);
      try {
        await machine.waitFor(/paddock: release/u, START_LIMIT_MS);
        if (cut % 3 === 0) await sleep(random.below(START_MS));
        else {
          const frames = random.below(FRAMES_MAX);
          await eventually(`${frames} frames`, () => sensor.acknowledged.length >= frames, START_LIMIT_MS);
        }
      } finally {
        await machine.cutPower();
        await sensor.stop();
      }
      if (sensor.acknowledged.length === 0) whileStarting++;
      const writes = await readWriteLog(log);
      const everything = random.below(2) === 0;
      lost += await replay(writes, log, asItWas, () => !everything && random.below(2) === 0);
      flushes += writes.flushes;
      copySparse(asItWas, disk.path);
    }
    const machine = await Machine.start(site.machine(disk.path, "cut"));
    try {
      const kept = await site.everyPromiseKept(START_LIMIT_MS);
      context.diagnostic(
        `${kept} acknowledged frames are in the ledger; ${lost} writes of the disk were lost, ${flushes} flushes; ` +
          `${whileStarting} cuts came before the first frame`,
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
