/*
 * What happens to uplinks besides being cut, with sensors that send all the while. Root and the packages of
 * hil-tests/setup.sh are needed:
 *
 *     node --test hil-tests/lab/failover/faults.lab.test.ts
 */
import assert from "node:assert/strict";
import { afterEach, before, test, type TestContext } from "node:test";
import { eventually, missingForLab } from "../namespaces.ts";
import { StoryTeller } from "../story.ts";
import { Load } from "./load.ts";
import { NamespaceTarget } from "./namespace-target.ts";
import { carrier, drained, proveNothingLost, readyToFail } from "./steps.ts";
import { UPLINKS, type Fault, type Target, type Uplink, type Watch } from "./target.ts";

const missing = missingForLab(["nft", "ip", "chrt", "ping"]);
const FRAMES_PER_S = 2000;
const DURATION_S = 8;
/** Without BFD a dead path shows by missing receipts, which takes twice five seconds. */
const UNWATCHED_DURATION_S = 14;
const LIMIT = { timeout: 300_000 };

let target: Target;
before(() => assert.deepEqual(missing, []));
afterEach(async () => target?.destroy());

/** One scenario: everything is well, `fault` happens under load, and afterwards every frame is in the ledger once. */
async function scenario(t: TestContext, watch: Watch, fault: (story: StoryTeller) => Promise<void>): Promise<void> {
  const story = new StoryTeller(t.name);
  target = new NamespaceTarget();
  const load = new Load(target, {
    framesPerS: FRAMES_PER_S,
    durationS: watch === "none" ? UNWATCHED_DURATION_S : DURATION_S,
  });
  await load.prepare();
  await target.startCollector();
  await target.startGateway({ watch });
  await readyToFail(target);
  load.start();
  await eventually("frames arrive", async () => (await carrier(target)).sentRecords > FRAMES_PER_S, 20_000);
  await fault(story);
  const summary = await load.finished();
  for (const uplink of UPLINKS) await target.healUplink(uplink);
  await drained(target);
  const report = await proveNothingLost(load, story);
  assert.equal(summary.outcomes["acknowledged"], report.sent, "a sensor saw something else than 2.04");
  for (const { atMs, fields } of target.gatewayEvents("path-switch")) {
    story.at(`traffic goes from ${String(fields["from"])} to ${String(fields["to"])}: ${String(fields["why"])}`, atMs);
  }
  story.tell((line) => t.diagnostic(line));
}

/** Breaks the active uplink and waits until receipts come over another one. */
async function leaves(fault: Fault, story: StoryTeller): Promise<Uplink> {
  const { name: victim } = await carrier(target);
  await target.breakUplink(victim, fault);
  const brokenMs = Date.now();
  story.at(`${victim}: ${JSON.stringify(fault)}`);
  await eventually(
    "another uplink brings receipts",
    async () => {
      const now = await carrier(target);
      return now.name !== victim && now.lastReceiptS !== null && now.lastReceiptS * 1000 < Date.now() - brokenMs;
    },
    60_000,
  );
  story.figure("fault to receipt over another uplink", `${Date.now() - brokenMs} ms (asked every 25 ms)`);
  return victim;
}

void test("the active uplink swallows TCP and UDP but answers pings: traffic leaves it", LIMIT, (t) =>
  scenario(t, "steady", async (story) => {
    const victim = await leaves({ kind: "black-hole" }, story);
    assert.ok(await target.pingOver(victim), "the black hole was meant to answer pings");
  }),
);

void test("without BFD, the active uplink swallows TCP and UDP: missing receipts alone move the traffic", LIMIT, (t) =>
  scenario(t, "none", async (story) => {
    const victim = await leaves({ kind: "black-hole" }, story);
    assert.ok(await target.pingOver(victim), "the black hole was meant to answer pings");
  }),
);

for (const lost of ["to-collector", "to-gateway"] as const) {
  void test(`one direction of the active uplink is dead (${lost}): traffic leaves it`, LIMIT, (t) =>
    scenario(t, "steady", async (story) => void (await leaves({ kind: "one-way", lost }, story))),
  );
}

void test("5 % of all packets are lost on every uplink: slower, but complete", LIMIT, (t) =>
  scenario(t, "steady", async (story) => {
    for (const uplink of UPLINKS) await target.breakUplink(uplink, { kind: "loss", percent: 5 });
    story.at("5 % loss on every uplink");
  }),
);

void test("the MTU of every uplink falls to 1280: sessions go on", LIMIT, (t) =>
  scenario(t, "steady", async (story) => {
    const { name, sentRecords } = await carrier(target);
    for (const uplink of UPLINKS) await target.breakUplink(uplink, { kind: "mtu", bytes: 1280 });
    story.at("MTU 1280 on every uplink");
    await eventually("a second's worth of frames went on over the same uplink", async () => {
      const now = await carrier(target);
      return now.name === name && now.sentRecords > sentRecords + FRAMES_PER_S;
    });
  }),
);

void test("the active uplink flaps: traffic leaves it once and does not come back at each flap", LIMIT, (t) =>
  scenario(t, "fast", async (story) => {
    const victim = await leaves({ kind: "cut" }, story);
    const switchesBefore = target.gatewayEvents("path-switch").length;
    for (let flap = 0; flap < 3; flap++) {
      await target.healUplink(victim);
      await eventually(`${victim} is up again`, () => livenessIs(victim, "up"), 30_000);
      story.at(`${victim} is up`);
      await target.breakUplink(victim, { kind: "cut" });
      await eventually(`${victim} is down again`, () => livenessIs(victim, "down"), 30_000);
      story.at(`${victim} is down`);
    }
    assert.equal(
      target.gatewayEvents("path-switch").length,
      switchesBefore,
      "traffic moved although its uplink was sound",
    );
  }),
);

async function livenessIs(uplink: Uplink, liveness: "up" | "down"): Promise<boolean> {
  const { uplinks } = await target.gatewayStatus();
  return uplinks.paths.find(({ name }) => name === uplink)?.liveness === liveness;
}
