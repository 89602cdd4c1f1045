import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HEAD_BYTES, judgeHead, type KeySlot } from "@paddock/wire/key-slot.ts";
import { EmulatedTpm } from "../lab/device/emulated-tpm.ts";
import { eventually } from "../lab/namespaces.ts";
import type { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS } from "./variables.ts";

/** Name of a sensor: it stands in each of its readings. */
const READING = "reading-of-the-north-barn";

let site: Site;
before(async () => {
  site = new Site();
  if (onDemand.skip === false) await site.startRouters();
});
after(() => site.end());

async function slotOf(disk: Disk): Promise<KeySlot> {
  const content = judgeHead(await disk.bytes("data", 0, HEAD_BYTES));
  assert.ok(content.kind === "slot", content.kind);
  return content.slot;
}

/** Starts the machine, does the task while it runs, and cuts its power. Resolves with what its console said. */
async function whileItRuns(
  disk: Disk,
  { name, tpm }: { readonly name: string; readonly tpm?: string },
  task: (machine: Machine) => Promise<unknown>,
): Promise<string> {
  const emulated = tpm === undefined ? undefined : await EmulatedTpm.forMachine(join(site.directory, tpm));
  const machine = await Machine.start({
    ...site.machine(disk.path, name),
    ...(emulated === undefined ? {} : { tpm: emulated.socket }),
  });
  try {
    await task(machine);
    return machine.text;
  } finally {
    await machine.cutPower();
    await emulated?.end();
  }
}

/** Sends readings until some are acknowledged. */
async function sendReadings(name: string): Promise<void> {
  const sensor = site.startSensor(name, 5);
  await eventually(
    "acknowledged readings",
    () => (sensor.acknowledged.length === 5 ? true : undefined),
    START_LIMIT_MS,
  );
}

const isReady = (machine: Machine) => machine.waitFor(/"event":"ready"/u, START_LIMIT_MS);
const isLocked = (machine: Machine) =>
  machine.waitFor(/is locked by the TPM of the machine that made it[^]*Nothing was changed/u, START_LIMIT_MS);
const requestReset = async (disk: Disk): Promise<void> => {
  const empty = join(site.directory, "empty");
  await writeFile(empty, "");
  await disk.put("CONFIG", "factory-reset", empty);
};

void test("with a TPM: encrypted, locked in any other machine, and noise after a factory reset", onDemand, async () => {
  const disk = await site.flash(imageUnderTest(), "with-tpm");
  const first = await whileItRuns(disk, { name: "first", tpm: "own" }, () => sendReadings(READING));
  assert.match(first, /data partition: made anew\n.*encrypted; the key is in the TPM/u);
  const slot = await slotOf(disk);
  assert.ok(slot.keeper === "tpm");
  assert.equal(await disk.holds(READING), false);

  await site.configure(disk);
  const second = await whileItRuns(disk, { name: "second", tpm: "own" }, () => site.everyPromiseKept(START_LIMIT_MS));
  assert.doesNotMatch(second, /made anew/u);

  const head = await disk.bytes("data", 0, HEAD_BYTES);
  for (const tpm of ["other", undefined]) {
    await whileItRuns(disk, { name: "moved", ...(tpm === undefined ? {} : { tpm }) }, isLocked);
    assert.ok((await disk.bytes("data", 0, HEAD_BYTES)).equals(head));
  }
  const back = await whileItRuns(disk, { name: "back", tpm: "own" }, isReady);
  assert.doesNotMatch(back, /made anew/u);

  await requestReset(disk);
  await whileItRuns(disk, { name: "reset-cut", tpm: "own" }, (machine) =>
    machine.waitFor(/factory reset: the TPM forgets the key/u, START_LIMIT_MS),
  );
  const reset = await whileItRuns(disk, { name: "reset", tpm: "own" }, isReady);
  assert.match(reset, /factory reset: done[^]*data partition: made anew\n.*the key is in the TPM/u);
  assert.deepEqual(await disk.list("CONFIG"), ["README.txt"]);
  assert.equal(await disk.holds(slot.sealed.privateArea.toString("hex")), false);
  assert.equal(await disk.holds(READING), false);

  // Not even who kept a copy of what was there opens it in the machine that it is from.
  await disk.write("data", 0, head);
  await whileItRuns(disk, { name: "copied", tpm: "own" }, isLocked);
});

void test(
  "without a TPM: power that goes while the partition is made costs nothing, and a reset destroys the key",
  onDemand,
  async () => {
    const disk = await site.flash(imageUnderTest(), "without-tpm");
    for (const [index, afterMs] of [0, 700, 1500, 3000].entries())
      await whileItRuns(disk, { name: `cut-${index}` }, async (machine) => {
        const opening = await machine.waitFor(/Starting .*opens the data partition/u, START_LIMIT_MS);
        await machine.waitFor(/made anew/u, afterMs, opening.end).catch(() => {});
      });
    const made = await whileItRuns(disk, { name: "made" }, () => sendReadings(READING));
    assert.match(made, /encrypted; its key lies beside it/u);
    assert.equal(await disk.holds(READING), false);
    const slot = await slotOf(disk);
    assert.ok(slot.keeper === "disk");
    const again = await whileItRuns(disk, { name: "again" }, isReady);
    assert.doesNotMatch(again, /made anew/u);

    await requestReset(disk);
    const reset = await whileItRuns(disk, { name: "reset" }, isReady);
    assert.match(reset, /the key of \S+ is destroyed[^]*factory reset: done[^]*made anew/u);
    assert.equal(await disk.holds(slot.key.toString("hex")), false);
    const other = await slotOf(disk);
    assert.ok(other.keeper === "disk" && !other.key.equals(slot.key));
  },
);

void test(
  "a data partition of an earlier image goes on as it is, and is encrypted by a factory reset",
  onDemand,
  async () => {
    const disk = await site.flash(imageUnderTest(), "plain", 512);
    await disk.addPlainData();
    const used = await whileItRuns(disk, { name: "used" }, () => sendReadings(READING));
    assert.match(used, /data partition: NOT encrypted/u);
    // Which shows that the search finds what is there.
    assert.equal(await disk.holds(READING), true);
    await requestReset(disk);
    const reset = await whileItRuns(disk, { name: "erased" }, isReady);
    assert.match(reset, /reads as zeros[^]*factory reset: done[^]*made anew\n.*encrypted/u);
    assert.equal(await disk.holds(READING), false);
  },
);
