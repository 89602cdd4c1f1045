import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../lab/namespaces.ts";
import { craftRelease, type CraftedRelease } from "./crafted-release.ts";
import type { Sensor } from "./site.ts";
import { UpdateSite, type StatusSeen } from "./update-site.ts";
import { imageUnderTest, onDemand, START_LIMIT_MS, VERSIONS } from "./variables.ts";

/** A release that starts and takes no frames: it has no driver for the network cards. */
const UNHEALTHY = { version: "0.3.0", kernelWord: "module_blacklist=virtio_net" };

/** Between two frames: the processor is for the update, which comes behind all frames and is not what is judged here. */
const PACE_MS = 1000;
/** From asking for the release to the verdict: it is fetched and written, started, and waited for. */
const VERDICT_LIMIT_MS = 3 * START_LIMIT_MS;

let update: UpdateSite;
let sensors: Sensor[];
let unhealthy: CraftedRelease;

if (onDemand.skip === false) {
  before(async () => {
    update = await UpdateSite.make();
    const folder = join(update.releases, "unhealthy");
    unhealthy = await craftRelease(imageUnderTest(), VERSIONS.ours, { folder, ...UNHEALTHY });
    sensors = [update.site.startSensor("flow", undefined, undefined, PACE_MS), update.startKeyedSensor(PACE_MS)];
  });
  after(() => update?.end());
}

void test(
  "a release that never gets a receipt gives way to the one that did, which tells it",
  onDemand,
  async (context) => {
    await update.start();
    for (const sensor of sensors) await update.acknowledges(sensor);
    // The gate asks for a receipt only where the release before had one.
    await update.site.everyPromiseKept(START_LIMIT_MS);
    const server = await update.serve();
    const from = update.machine.text.length;
    const words = ["--version", unhealthy.version, "--manifest", unhealthy.manifestFile];
    await update.collector("rollout", "start", "--release", `${server.url}unhealthy/`, ...words);
    const { end } = await update.machine.waitFor(
      /release 0\.3\.0 is unhealthy: no receipt within 300 s/u,
      VERDICT_LIMIT_MS,
      from,
    );
    const begin = Date.now();
    await update.machine.waitFor(/release 0\.1\.0: looking for its root/u, START_LIMIT_MS, end);
    context.diagnostic(`from the verdict to the start of the one before: ${seconds(begin)}`);
    for (const sensor of sensors) await update.acknowledges(sensor);
    context.diagnostic(`from the verdict to the first acknowledged frame: ${seconds(begin)}`);
    const told = await eventually(
      "what the collector knows of its end",
      async () => {
        const directive = (await update.fleet()).gateways[0]?.directive;
        return directive?.subject === "release 0.3.0" && directive.outcome !== "trying" ? directive : undefined;
      },
      START_LIMIT_MS,
    );
    context.diagnostic(`fleet: ${told.outcome}, ${told.reason}`);
    assert.equal(told.outcome, "reverted");
    assert.match(told.reason, /no receipt within 300 s/u);
    const { running, results } = await (await update.shell()).json<StatusSeen>("update status");
    assert.equal(running, VERSIONS.ours);
    assert.equal(results.at(-1)?.outcome, "reverted");
    assert.match(results.at(-1)?.reason ?? "", /no receipt within 300 s/u);
    await server.stop();
    for (const sensor of sensors) await sensor.stop();
    context.diagnostic(`${await update.site.everyPromiseKept(START_LIMIT_MS)} acknowledged frames are in the ledger`);
    assert.deepEqual(await update.doubled(), []);
  },
);

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
