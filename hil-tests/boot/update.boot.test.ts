import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { eventually } from "../lab/namespaces.ts";
import { craftRelease, type CraftedRelease } from "./crafted-release.ts";
import type { Shell } from "./shell.ts";
import type { Sensor } from "./site.ts";
import { UpdateSite, type StatusSeen, type UpdateServer } from "./update-site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

const MIB = 1024 * 1024;
/** What a device has to fetch of the newer release. */
const TAIL_BYTES = MIB;

let update: UpdateSite;
let server: UpdateServer;
/** One without a key, and one with. */
let sensors: Sensor[];
let shell: Shell;
let newer: CraftedRelease;

const craft = (folder: string, version: string, more: object = {}): Promise<CraftedRelease> =>
  craftRelease(imageUnderTest(), VERSIONS.ours, {
    version,
    folder: join(update.releases, folder),
    tailBytes: TAIL_BYTES,
    ...more,
  });

if (onDemand.skip === false) {
  before(async () => {
    update = await UpdateSite.make();
    newer = await craft("good", VERSIONS.newer);
    await craft("foreign", VERSIONS.newer, { signer: generateIdentity() });
    await craft("old", "0.0.9");
    const damaged = await craft("damaged", VERSIONS.newer);
    // Within the noise, which is not on the device: some of it is written by then.
    await turnBit(damaged.update, damaged.headBytes + damaged.manifest.root.bytes - 1);
    server = await update.serve();
    await update.start();
    sensors = [update.site.startSensor("flow"), update.startKeyedSensor()];
    for (const sensor of sensors) await update.acknowledges(sensor);
    shell = await update.shell();
  });
  after(async () => {
    await server?.stop();
    await update?.end();
  });
}

async function turnBit(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  buffer[0]! ^= 1;
  await file.write(buffer, 0, 1, at);
  await file.close();
}

void test(
  "what was changed, or is another maker's, or older, is refused with what is wrong",
  onDemand,
  async (context) => {
    const answers: [string, RegExp][] = [
      ["foreign", /is signed by the key .* which is not trusted/u],
      ["old", /Release 0\.0\.9 is older than 0\.1\.0, which runs/u],
      ["damaged", /other bytes than the release at byte \d+ of its root/u],
    ];
    for (const [folder, expected] of answers) {
      const startedAt = Date.now();
      const { code, text } = await shell.run(`paddock gateway update apply --url ${server.url}${folder}/`);
      context.diagnostic(`${folder}: ${((Date.now() - startedAt) / 1000).toFixed(1)} s: ${text}`);
      assert.equal(code, 2);
      assert.match(text.replaceAll("\n", " "), expected);
    }
    const { running, releases, pending } = await shell.json<StatusSeen>("update status");
    assert.equal(running, VERSIONS.ours);
    assert.equal(pending, null);
    assert.deepEqual(releases, [{ version: VERSIONS.ours, state: "confirmed" }]);
  },
);

void test(
  "a release that the collector asks for is fetched, started and confirmed while frames flow",
  onDemand,
  async (context) => {
    for (const sensor of sensors) await update.acknowledges(sensor);
    const begin = Date.now();
    const words = ["--release", `${server.url}good/`, "--version", VERSIONS.newer, "--manifest", newer.manifestFile];
    await update.collector("rollout", "start", ...words);
    const at = update.machine.text.length;
    await update.machine.waitFor(/program for the boot loader/u, START_LIMIT_MS, at);
    context.diagnostic(`asked for, fetched and written: ${seconds(begin)}`);
    await update.machine.waitFor(/release 0\.2\.0 is confirmed: the collector sent a receipt/u, START_LIMIT_MS, at);
    context.diagnostic(`confirmed: ${seconds(begin)}`);
    await eventually(
      "the rollout's end",
      async () => JSON.parse(await update.collector("rollout", "status", "--json")).phase === "done",
      START_LIMIT_MS,
    );
    const [gateway] = (await update.fleet()).gateways;
    assert.equal(gateway?.directive?.subject, "release 0.2.0");
    assert.equal(gateway.directive.outcome, "applied");
  },
);

void test("it is confirmed for the boot loader, too, and says so itself", onDemand, async () => {
  shell = await update.shell();
  const status = await eventually(
    "that the boot loader takes it for good",
    async () => {
      const seen = await shell.json<StatusSeen>("update status");
      return seen.releases.every(({ state }) => state === "confirmed") ? seen : undefined;
    },
    START_LIMIT_MS,
  );
  assert.equal(status.running, VERSIONS.newer);
  assert.equal(status.results.at(-1)?.outcome, "applied");
});

void test("no acknowledged frame was lost, and none was doubled", onDemand, async (context) => {
  for (const sensor of sensors) {
    await update.acknowledges(sensor, 5);
    await sensor.stop();
  }
  context.diagnostic(`${await update.site.everyPromiseKept(START_LIMIT_MS)} acknowledged frames are in the ledger`);
  // A planned restart answers for all that it sealed before its sockets close, so a sensor without a key repeats nothing, either.
  assert.deepEqual(await update.doubled(), []);
});

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
