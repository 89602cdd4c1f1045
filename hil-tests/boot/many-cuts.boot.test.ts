import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { seededRandom, systemRandom } from "@paddock/base/random.ts";
import { senmlFrame } from "@paddock/gateway/testing/coap-sender.ts";
import { storedFrames } from "@paddock/gateway/testing/stored-frames.ts";
import { HEAD_BYTES, judgeHead } from "@paddock/wire/key-slot.ts";
import { eventually } from "../lab/namespaces.ts";
import { type Cut, DataAtCuts } from "./data-at-cut.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest, onDemand, SEED_VARIABLE, START_LIMIT_MS } from "./variables.ts";
import { readLogEntries } from "./write-log.ts";

/** Cuts of one start's writes, each on its own. */
const CUTS = 100;
const SEED = Number(process.env[SEED_VARIABLE] ?? systemRandom.below(1_000_000));
const SENSORS = ["north", "south", "east"];
const FRAMES = 300;

let site: Site;
before(() => {
  site = new Site();
});
after(() => site.end());

void test(
  `one start, cut at ${CUTS} moments (seed ${SEED}): each disk has every frame that was acknowledged by then`,
  onDemand,
  async (context) => {
    await site.startRouters();
    const disk = await site.flash(imageUnderTest());
    const writeLog = `${disk.path}.writes`;
    const machine = await Machine.start({ ...site.machine(disk.path), writeLog });
    /** How many frames of each sensor were acknowledged, at the latest, when the log had so many bytes. */
    const moments: { readonly logBytes: number; readonly acknowledged: readonly number[] }[] = [];
    try {
      const sensors = SENSORS.map((name) => site.startSensor(name));
      await eventually(
        `${FRAMES} frames`,
        () => {
          const acknowledged = sensors.map((sensor) => sensor.acknowledged.length);
          // Asked for behind the frames: these were on the disk when the log was no longer than that.
          moments.push({ logBytes: statSync(writeLog).size, acknowledged });
          return acknowledged.reduce((sum, count) => sum + count) >= FRAMES;
        },
        START_LIMIT_MS,
      );
    } finally {
      await machine.cutPower();
    }

    const head = judgeHead(await disk.bytes("data", 0, HEAD_BYTES));
    assert.ok(head.kind === "slot" && head.slot.keeper === "disk");
    const entries = await readLogEntries(writeLog);
    const data = await DataAtCuts.open(entries, writeLog, await disk.partition("data"), head.slot.key);
    /** Frames that the disk should have and does not have after this cut. */
    const missing = async (cut: Cut): Promise<string[]> => {
      const promised = moments.findLast(({ logBytes }) => logBytes <= cut.logBytes)!.acknowledged;
      const directory = join(site.directory, "recovered");
      lost += await data.recover(cut, directory);
      const { frames, broken, recovered } = await storedFrames(join(directory, "paddock"));
      assert.deepEqual({ broken, recovered }, { broken: 0, recovered: 0 });
      await rm(directory, { recursive: true });
      const stored = new Set(frames.map((frame) => Buffer.from(frame).toString("hex")));
      return promised.flatMap((count, sensor) =>
        Array.from({ length: count }, (_each, value) => value)
          .filter((value) => !stored.has(senmlFrame(SENSORS[sensor]!, value).toString("hex")))
          .map((value) => `${SENSORS[sensor]} ${value}`),
      );
    };
    let lost = 0;
    const random = seededRandom(SEED);
    const first = moments.find(({ acknowledged }) => acknowledged.some((count) => count > 0))!;
    const behind = entries.filter(({ end }) => end >= first.logBytes);
    for (let cut = 0; cut < CUTS; cut++) {
      const { end } = behind[random.below(behind.length)]!;
      const everything = random.below(2) === 0;
      const gone = await missing({ logBytes: end, keep: () => !everything && random.below(2) === 0 });
      assert.deepEqual(gone, [], `cut ${cut}, behind ${end} bytes of the log`);
    }
    context.diagnostic(
      `${moments.at(-1)!.acknowledged.join(" + ")} frames; ${behind.length} writes and flushes to choose from; ${lost} writes lost`,
    );
    // Which shows that a loss would be found: a disk that lies about its last flushes.
    const lied = { logBytes: entries.at(-1)!.end, keep: () => false, flushesFaked: 40 };
    await assert.rejects(missing(lied).then((gone) => assert.deepEqual(gone, [])));
    await data.close();
  },
);
