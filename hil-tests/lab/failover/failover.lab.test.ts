/*
 * The active uplink is cut under full load, again and again. Root and the packages of hil-tests/setup.sh are needed:
 *
 *     PADDOCK_HIL_CUTS=25 node --test hil-tests/lab/failover/failover.lab.test.ts
 */
import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import { eventually, missingForLab } from "../namespaces.ts";
import { StoryTeller } from "../story.ts";
import { Load } from "./load.ts";
import { NamespaceTarget } from "./namespace-target.ts";
import { arrivalsOf, percentile, resumedAfterMs } from "../../report/outage.ts";
import { carrier, drained, proveNothingLost, readyToFail } from "./steps.ts";
import type { Target } from "./target.ts";

const missing = missingForLab(["nft", "ip", "chrt"]);
const CUTS = Number(process.env["PADDOCK_HIL_CUTS"] ?? 5);
const FRAMES_PER_S = Number(process.env["PADDOCK_HIL_FRAMES_PER_S"] ?? 10_000);
/** Cut, take over, heal, sessions back: what one round takes at most on a busy machine, as a budget for the load. */
const ROUND_S = 5;
const START_S = 3;
/** How long a broken path stays broken after traffic went elsewhere. */
const BROKEN_MS = 500;

let target: Target;
before(() => assert.deepEqual(missing, []));
afterEach(async () => target?.destroy());

for (const [watch, words] of [
  ["fast", "BFD at 50 ms x3"],
  ["steady", "BFD at 300 ms x3"],
] as const) {
  const name = `the active uplink is cut ${CUTS} times at ${FRAMES_PER_S} frames/s, ${words}: nothing lost, nothing twice`;
  void test(name, { timeout: 600_000 }, async (t) => {
    const story = new StoryTeller(name);
    target = new NamespaceTarget();
    const load = new Load(target, { framesPerS: FRAMES_PER_S, durationS: START_S + CUTS * ROUND_S });
    await load.prepare();
    await target.startCollector();
    await target.startGateway({ watch });
    await readyToFail(target);
    load.start();
    story.at("load starts");
    await eventually("frames arrive", async () => (await carrier(target)).sentRecords > FRAMES_PER_S, 20_000);

    const cuts: number[] = [];
    for (let cut = 0; cut < CUTS; cut++) {
      await readyToFail(target);
      const { name: victim } = await carrier(target);
      assert.ok(load.running, "the load ended before the last cut: raise ROUND_S");
      await target.breakUplink(victim, { kind: "cut" });
      cuts.push(Date.now());
      story.at(`${victim} is cut`);
      await eventually("another uplink brings receipts", () => takenOver(target, victim), 30_000);
      await new Promise((done) => setTimeout(done, BROKEN_MS));
      await target.healUplink(victim);
      story.at(`${victim} is whole again`);
    }
    const summary = await load.finished();
    story.at("load ends");
    await drained(target);
    const report = await proveNothingLost(load, story);
    assert.equal(summary.outcomes["acknowledged"], report.sent, "a sensor saw something else than 2.04");

    const switches = target.gatewayEvents("path-switch");
    for (const { atMs, fields } of switches) {
      story.at(
        `traffic goes from ${String(fields["from"])} to ${String(fields["to"])}: ${String(fields["why"])}`,
        atMs,
      );
    }
    const detected = switches.map(({ fields }) => fields["detectedInMs"]).filter((ms) => typeof ms === "number");
    const arrivals = await arrivalsOf(report.logFile);
    const resumed = cuts.map((cutMs, index) =>
      resumedAfterMs(arrivals, cutMs, { untilMs: cuts[index + 1] ?? cutMs + 30_000 }),
    );
    assert.ok(
      resumed.every((ms) => ms !== undefined),
      "after a cut nothing arrived any more",
    );
    const behind = Math.round(summary.behindMaxMs);
    story.figure("rate offered", `${FRAMES_PER_S} CON frames/s, the simulator at most ${behind} ms behind its plan`);
    story.figure("cut to first batch kept over the next uplink", spread(resumed));
    story.figure("silence to verdict of BFD", detected.length === 0 ? "not measured" : spread(detected));
    story.figure("frames sent again", String(sum(switches.map(({ fields }) => Number(fields["framesResent"] ?? 0)))));
    story.tell((line) => t.diagnostic(line));
  });
}

/** The victim is left, and a receipt came over another uplink since. */
async function takenOver(on: Target, victim: string): Promise<boolean> {
  const { uplinks } = await on.gatewayStatus();
  const active = uplinks.paths.find(({ name }) => name === uplinks.active);
  return active !== undefined && active.name !== victim && active.lastReceiptS !== null && active.lastReceiptS < 0.1;
}

function spread(values: readonly number[]): string {
  const at = (share: number) => percentile(values, share).toFixed(1);
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, max ${at(1)} ms (${values.length} cuts)`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
