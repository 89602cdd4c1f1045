/*
 * Programs that end in the middle of it. Root and the packages of hil-tests/setup.sh are needed:
 *
 *     node --test hil-tests/lab/failover/restarts.lab.test.ts
 */
import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import { eventually, missingForLab } from "../namespaces.ts";
import { StoryTeller } from "../story.ts";
import { Load } from "./load.ts";
import { NamespaceTarget } from "./namespace-target.ts";
import { carrier, drained, proveNothingLost, readyToFail } from "./steps.ts";
import type { Target } from "./target.ts";

const missing = missingForLab(["nft", "ip", "chrt"]);
const FRAMES_PER_S = 2000;
const LIMIT = { timeout: 300_000 };

let target: Target;
before(() => assert.deepEqual(missing, []));
afterEach(async () => target?.destroy());

for (const [end, words] of [
  ["stop", "stops in good order"],
  ["kill", "is killed"],
] as const) {
  const name = `the collector ${words} and comes back: the gateway keeps what it misses`;
  void test(name, LIMIT, async (t) => {
    const story = new StoryTeller(name);
    target = new NamespaceTarget();
    const load = new Load(target, { framesPerS: FRAMES_PER_S, durationS: 10 });
    await load.prepare();
    await target.startCollector();
    await target.startGateway({ watch: "none" });
    await readyToFail(target);
    load.start();
    await eventually("frames arrive", async () => (await carrier(target)).sentRecords > FRAMES_PER_S, 20_000);
    assert.ok(load.running, "the load ended before the collector did");
    if (end === "stop") assert.equal(await target.stopCollector(), 0);
    else await target.killCollector();
    story.at("the collector ends");
    await eventually(
      "the gateway buffers",
      async () => (await target.gatewayStatus()).pendingRecords > FRAMES_PER_S,
      60_000,
    );
    await target.startCollector();
    story.at("the collector is back");
    const startedMs = Date.now();
    await eventually(
      "the backlog is gone",
      async () => (await target.gatewayStatus()).pendingRecords < FRAMES_PER_S / 10,
      60_000,
    );
    story.figure("ready to backlog gone", `${Date.now() - startedMs} ms (asked every 25 ms)`);
    const summary = await load.finished();
    await drained(target);
    const report = await proveNothingLost(load, story);
    assert.equal(summary.outcomes["acknowledged"], report.sent, "a sensor saw something else than 2.04");
    story.tell((line) => t.diagnostic(line));
  });
}

void test(
  "the gateway is killed under load and starts again: every frame answered 2.04 is in the ledger once",
  LIMIT,
  async (t) => {
    const KILLS = 3;
    const story = new StoryTeller(t.name);
    target = new NamespaceTarget();
    const load = new Load(target, { framesPerS: FRAMES_PER_S, durationS: 15, keyed: true });
    const sensorsFile = (await load.prepare())!;
    await target.startCollector();
    await target.startGateway({ watch: "none", sensorsFile });
    await readyToFail(target);
    load.start();
    for (let kill = 0; kill < KILLS; kill++) {
      await eventually("frames arrive", async () => (await carrier(target)).sentRecords > FRAMES_PER_S / 2, 60_000);
      assert.ok(load.running, "the load ended before the last kill");
      await target.killGateway();
      story.at("kill -9");
      const killedMs = Date.now();
      await target.startGateway({ watch: "none", sensorsFile });
      story.at("the gateway takes frames again");
      story.figure(`kill ${kill + 1} to taking frames`, `${Date.now() - killedMs} ms`);
    }
    await load.finished();
    await drained(target);
    await proveNothingLost(load, story);
    story.tell((line) => t.diagnostic(line));
  },
);
