import assert from "node:assert/strict";
import { open, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { eventually } from "../lab/namespaces.ts";
import { craftRelease, type CraftedRelease } from "./crafted-release.ts";
import { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Site, type Sensor } from "./site.ts";
import { UsbPort } from "./usb-sticks.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

const MIB = 1024 * 1024;
/** What a device does not have of the newer release: only a stick that is there can bring it. */
const TAIL_BYTES = 4 * MIB;

/** Nothing comes to the collector any more. */
const NO_COLLECTOR = `table ip6 none {
  chain in { type filter hook input priority 0; tcp dport 8443 drop; }
}`;
const COLLECTOR_PROGRAM = fileURLToPath(import.meta.resolve("@paddock/collector/main.ts"));

let site: Site;
let port: UsbPort;
let machine: Machine;
let sensor: Sensor;
let newer: CraftedRelease;
/** Up to where the console was read. */
let heardTo = 0;

const craft = (folder: string, version: string, more: object = {}): Promise<CraftedRelease> =>
  craftRelease(imageUnderTest(), VERSIONS.ours, {
    version,
    folder: join(site.directory, folder),
    tailBytes: TAIL_BYTES,
    ...more,
  });

if (onDemand.skip === false) {
  before(async () => {
    site = new Site();
    port = new UsbPort(site.directory);
    await site.startRouters();
    const collectorKey = await site.startCollector();
    const disk = await Disk.flash(imageUnderTest(), join(site.directory, "disk"));
    const document = join(site.directory, "gateway.json");
    await writeFile(document, JSON.stringify({ ...site.gatewayDocument(collectorKey), directives: { everyS: 5 } }));
    await disk.put("CONFIG", "gateway.json", document);
    newer = await craft("newer", VERSIONS.newer);
    machine = await Machine.start({ ...site.machine(disk.path), ...port.machine });
    sensor = site.startSensor("flow");
    await acknowledges();
  });
  after(async () => {
    await machine?.cutPower();
    await site?.end();
  });
}

/** Resolves once the console has said this behind what was heard before. */
async function hears(pattern: RegExp): Promise<void> {
  ({ end: heardTo } = await machine.waitFor(pattern, START_LIMIT_MS, heardTo));
}

async function acknowledges(more = 3): Promise<void> {
  const wanted = sensor.acknowledged.length + more;
  await eventually(`${more} acknowledged frames`, () => sensor.acknowledged.length >= wanted, START_LIMIT_MS);
}

/** What the gateway said last in its chain of what was asked of it, as the collector has it. */
async function newestTold(): Promise<{ subject: string; outcome: string; reason: string } | null | undefined> {
  const args = [COLLECTOR_PROGRAM, "fleet", "--json", "--socket", site.operatorSocket];
  const child = site.namespace.spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const { gateways } = JSON.parse(await textOf(child.stdout!)) as {
    gateways: { directive: { subject: string; outcome: string; reason: string } | null }[];
  };
  return gateways[0]?.directive;
}

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`;

void test("what is foreign, older, cut short or unclear is refused, and frames flow on", onDemand, async (context) => {
  const foreign = await craft("foreign", VERSIONS.newer, { signer: generateIdentity() });
  const older = await craft("older", "0.0.9");
  const cut = await craft("cut", VERSIONS.newer);
  await truncate(cut.update, (await stat(cut.update)).size - MIB);
  const sticks: [Record<string, string>, RegExp][] = [
    [{ [foreign.name]: foreign.update }, /stick: .*is signed by the key .* which is not trusted/u],
    [{ [older.name]: older.update }, /stick: .*Release 0\.0\.9 is older than 0\.1\.0, which runs/u],
    [{ [cut.name]: cut.update }, /stick: .* bytes, and release 0\.2\.0 has /u],
    [{}, /stick: .*The stick has neither an update nor a file rollback/u],
  ];
  for (const [files, expected] of sticks) {
    const begin = Date.now();
    const pull = await port.plug(await port.format(files));
    await hears(expected);
    context.diagnostic(`${String(expected)} after ${seconds(begin)}`);
    await pull();
    await acknowledges();
  }
});

void test("a stick that is pulled while it is read costs the attempt and nothing else", onDemand, async () => {
  const pull = await port.plug(await port.format({ [newer.name]: newer.update }));
  await hears(/looking for what is here already/u);
  await pull();
  await hears(/stick: .* cannot be read: .*EIO/u);
  await acknowledges();
});

let good = "";
let pullGood: () => Promise<void>;
/** Where on the console the new release began. */
let newerFrom = 0;

void test("a stick brings a release, which is started and confirmed; it loses no frame", onDemand, async (context) => {
  good = await port.format({ [newer.name]: newer.update });
  const begin = Date.now();
  pullGood = await port.plug(good);
  await hears(/stick: Release 0\.2\.0 is installed from the stick, and is started now/u);
  context.diagnostic(`plugged in, read and written: ${seconds(begin)}`);
  await hears(/release 0\.2\.0: looking for its root/u);
  newerFrom = heardTo;
  await acknowledges();
  await hears(/release 0\.2\.0 is confirmed: the collector sent a receipt/u);
  context.diagnostic(`confirmed: ${seconds(begin)}`);
});

void test("left in, it is not installed again", onDemand, async () => {
  heardTo = newerFrom;
  await hears(/stick: Release 0\.2\.0 was installed here from a stick before/u);
  await pullGood();
  await acknowledges();
});

void test("a stick takes it back without a network, once", onDemand, async (context) => {
  const empty = join(site.directory, "empty");
  await (await open(empty, "w")).close();
  const begin = Date.now();
  site.namespace.filter(NO_COLLECTOR);
  const pull = await port.plug(await port.format({ rollback: empty }));
  await hears(/stick: Release 0\.2\.0 is taken back, and 0\.1\.0 is started now/u);
  await hears(/release 0\.1\.0: looking for its root/u);
  await acknowledges();
  context.diagnostic(`release 0.1.0 takes frames: ${seconds(begin)}`);
  site.namespace.filter("");
  await hears(/stick: What this file rollback asks for was done before/u);
  await pull();
});

void test("the release that was taken back does not come again with its stick", onDemand, async () => {
  const pull = await port.plug(good);
  await hears(/stick: Release 0\.2\.0 was installed here from a stick before/u);
  await pull();
  await acknowledges();
});

void test("every acknowledged frame is in the ledger, and so is what the sticks did", onDemand, async (context) => {
  await sensor.stop();
  context.diagnostic(`${await site.everyPromiseKept(START_LIMIT_MS)} acknowledged frames are in the ledger`);
  const told = await eventually(
    "that the gateway's own records say it",
    async () => {
      const said = await newestTold();
      return said?.reason.startsWith("by a stick: taken back") === true ? said : undefined;
    },
    START_LIMIT_MS,
  );
  assert.equal(told.subject, "release 0.2.0");
  assert.equal(told.outcome, "reverted");
});
