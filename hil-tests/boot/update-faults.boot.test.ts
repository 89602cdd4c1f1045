import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import { craftRelease } from "./crafted-release.ts";
import type { Sensor } from "./site.ts";
import { UpdateSite, type StatusSeen } from "./update-site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

const MIB = 1024 * 1024;
/** What a device has to fetch of the newer release, in several pieces. */
const TAIL_BYTES = 6 * MIB;
/** In front of it the server answers with the manifest, twice. */
const BEFORE_FIRST_CHUNK = 100_000;

/** The collector is not heard, on any uplink, and no router says anything: sensors on the link are all there is. */
const NO_NETWORK = `table inet cut {
  chain in { type filter hook input priority 0; tcp dport 8443 drop; }
  chain out { type filter hook output priority 0; icmpv6 type nd-router-advert drop; tcp sport 8443 drop; }
}`;

let update: UpdateSite;
/** One without a key, and one with. */
let sensors: Sensor[];
/** Cuts, at each of which a frame may have been sealed whose answer got lost: a sensor without a key sends it once more. */
let cuts = 0;

if (onDemand.skip === false) {
  before(async () => {
    update = await UpdateSite.make();
    const good = { folder: join(update.releases, "good"), version: VERSIONS.newer, tailBytes: TAIL_BYTES };
    await craftRelease(imageUnderTest(), VERSIONS.ours, good);
    sensors = [update.site.startSensor("flow"), update.startKeyedSensor()];
  });
  after(() => update?.end());
}

/** Starts the machine, and resolves when it acknowledges frames. */
async function start(): Promise<void> {
  await update.start();
  await acknowledged();
}

async function acknowledged(more = 1): Promise<void> {
  for (const sensor of sensors) await update.acknowledges(sensor, more);
}

async function cut(): Promise<void> {
  cuts++;
  await update.cutPower();
}

/** Begins an update from a server that ends to answer after so many bytes, and cuts the power then. */
async function cutAfter(bytes: number): Promise<void> {
  const server = await update.serve(bytes);
  try {
    const shell = await update.shell();
    await shell.start(`paddock gateway update apply --url ${server.url}good/`);
    await eventually("that the server stalls", () => server.hasStalled, START_LIMIT_MS);
    await acknowledged(3);
    await cut();
  } finally {
    await server.stop();
  }
}

async function status(): Promise<StatusSeen> {
  return (await update.shell()).json<StatusSeen>("update status");
}

/** Resolves once the console says it behind its first `from` characters, with where that ends. */
async function heard(pattern: RegExp, from: number): Promise<number> {
  return (await update.machine.waitFor(pattern, START_LIMIT_MS, from)).end;
}

void test("the power goes before the first chunk is there: nothing was changed", onDemand, async () => {
  await start();
  await cutAfter(BEFORE_FIRST_CHUNK);
  await start();
  const { running, releases, pending } = await status();
  assert.equal(running, VERSIONS.ours);
  assert.deepEqual(releases, [{ version: VERSIONS.ours, state: "confirmed" }]);
  assert.equal(pending?.written, false);
});

void test("the power goes while the slot is written: the release that runs is whole", onDemand, async () => {
  await cutAfter(TAIL_BYTES / 2);
  await start();
  const { running, pending } = await status();
  assert.equal(running, VERSIONS.ours);
  assert.equal(pending?.written, false);
});

void test("the power goes between the first start of the new release and its receipt", onDemand, async () => {
  const server = await update.serve();
  const shell = await update.shell();
  await eventually("a receipt", async () => (await update.site.ledger()).length > 0, START_LIMIT_MS);
  const { code, text } = await shell.run(`paddock gateway update apply --url ${server.url}good/`);
  assert.equal(code, 0, text);
  await server.stop();
  update.site.namespace.filter(NO_NETWORK);
  const from = update.machine.text.length;
  await shell.start("systemctl reboot");
  await heard(/release 0\.2\.0: looking for its root/u, from);
  await acknowledged(3);
  await cut();
  update.site.namespace.filter("");
  await start();
  await heard(/release 0\.2\.0 is confirmed: the collector sent a receipt/u, 0);
  assert.equal((await status()).running, VERSIONS.newer);
});

void test("a release is taken back without a network", onDemand, async (context) => {
  update.site.namespace.filter(NO_NETWORK);
  const shell = await update.shell();
  await eventually(
    "that the boot loader takes it for good",
    async () => (await shell.json<StatusSeen>("update status")).releases.every(({ state }) => state === "confirmed"),
    START_LIMIT_MS,
  );
  const from = update.machine.text.length;
  const begin = Date.now();
  await shell.start("paddock gateway update rollback --reboot");
  await heard(/release 0\.1\.0: looking for its root/u, from);
  await acknowledged();
  context.diagnostic(`from the command to the first acknowledged frame: ${seconds(begin)}`);
  update.site.namespace.filter("");
  const seen = await status();
  assert.equal(seen.running, VERSIONS.ours);
  assert.match(seen.held ?? "", /0\.2\.0 was taken back/u);
  assert.equal(seen.results.at(-1)?.outcome, "reverted");
  const released = await (await update.shell()).run("paddock gateway update hold --release");
  assert.equal(released.code, 0, released.text);
});

void test(
  "through all of it no acknowledged frame was lost, and none with a key is there twice",
  onDemand,
  async (context) => {
    for (const sensor of sensors) await sensor.stop();
    context.diagnostic(`${await update.site.everyPromiseKept(START_LIMIT_MS)} acknowledged frames are in the ledger`);
    const doubled = await update.doubled();
    context.diagnostic(`sent again after a cut, as nobody had acknowledged them: ${doubled.join(", ") || "none"}`);
    // docs/protocol.md 1.3: a frame without a key whose answer was lost in a power cut may be there twice.
    assert.deepEqual(
      doubled.filter((reading) => !reading.startsWith("flow ")),
      [],
    );
    assert.ok(doubled.length <= cuts, doubled.join(", "));
  },
);

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
