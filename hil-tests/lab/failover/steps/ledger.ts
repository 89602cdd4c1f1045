import assert from "node:assert/strict";
import { latenessOf } from "../../../report/lateness.ts";
import type { StepDefinition } from "../gherkin/vocabulary.ts";
import { NEVER_HAPPENED } from "../happened.ts";
import type { Which, World } from "../world.ts";

/** The proof. A scenario without one of the first two fails. */
export const LEDGER_STEPS: readonly StepDefinition<World>[] = [
  {
    words: "every frame is answered 2.04 and is in the ledger exactly once",
    does: "Ends the load, makes every uplink whole, waits for the last receipt, and joins what was sent with the collector's log. No sensor saw anything but 2.04.",
    run: async (world) => {
      const { sent, summary } = await proveNothingLost(world);
      assert.equal(
        summary.outcomes["acknowledged"],
        sent,
        `a sensor saw something else than 2.04: ${JSON.stringify(summary.outcomes)}`,
      );
    },
  },
  {
    words: "every frame answered 2.04 is in the ledger exactly once",
    does: "The same where sensors may have to go without an answer.",
    run: async (world) => void (await proveNothingLost(world)),
  },
  {
    words: "alarms arrived before BFD had found the fault",
    does: "Of those sent in the second quarter of the time that BFD took, one was with the collector before the verdict: had alarms waited for it, none could have been. The report sets alarms beside telemetry.",
    run: async (world) => {
      await latenessAround(world);
      const down = world
        .eventsUnderLoad("path-liveness")
        .find(({ atMs, fields }) => atMs > world.changedAtMs && fields["liveness"] === "down");
      assert.ok(down !== undefined, "BFD found no fault");
      const { changedAtMs, story } = world;
      const foundMs = down.atMs - changedAtMs;
      story.figure("fault to verdict of BFD", `${foundMs} ms`);
      const quarter = { fromMs: changedAtMs + foundMs / 4, toMs: changedAtMs + foundMs / 2 };
      const alarms = (await latenessOf(proofOf(world), quarter)).get("alarm");
      assert.ok(alarms !== undefined, "no alarm was sent while BFD looked for the fault");
      // The last of them would have waited for half of the time.
      assert.ok(alarms.minMs < foundMs / 2, `every alarm took ${alarms.minMs} ms or more, and BFD ${foundMs} ms`);
    },
  },
  {
    words: "what the fault took from the gateway's connections was sent again",
    does: "Of the TCP segments that the gateway has sent since the fault at least 0.5 % were retransmissions (3.3 % with a loss of 5 %), by its kernel's counters. The report sets beside it what frames took before and after: a slow machine may take longer for either.",
    run: async (world) => {
      const { segmentsAtFault, segmentsAtEnd, loadSinceMs, changedAtMs, story } = world;
      assert.ok(segmentsAtFault && segmentsAtEnd, "no step before broke an uplink and proved the ledger");
      const sent = segmentsAtEnd.sent - segmentsAtFault.sent;
      const again = segmentsAtEnd.again - segmentsAtFault.again;
      story.figure("TCP segments since the fault", `${sent}, of them ${again} sent again`);
      const p95Of = async (fromMs: number, toMs: number): Promise<string> => {
        const telemetry = (await latenessOf(proofOf(world), { fromMs, toMs })).get("telemetry");
        return telemetry === undefined ? "unknown" : `${telemetry.p95Ms} ms`;
      };
      const before = await p95Of(loadSinceMs, changedAtMs);
      const after = await p95Of(changedAtMs, changedAtMs + AROUND_MS.after);
      story.figure("sensor to ledger p95 before and after the fault", `${before} and ${after}`);
      assert.ok(again > 0 && again >= sent / 200, `${NEVER_HAPPENED}: of ${sent} segments ${again} were sent again`);
    },
  },
  {
    words: "only alarms went over {uplinks}",
    does: "When the step before counted: no more records than alarms were sent.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      const records = world.sentRecords.get(uplink);
      assert.ok(records !== undefined && records > 0, `nothing went over ${uplink}`);
      const lanes = await latenessOf(proofOf(world), { fromMs: 0, toMs: Number.POSITIVE_INFINITY });
      const alarms = lanes.get("alarm")?.count ?? 0;
      assert.ok(records <= alarms, `${records} records went over ${uplink}, and only ${alarms} alarms were sent`);
      await latenessAround(world);
    },
  },
];

async function proveNothingLost(world: World) {
  const { load, story } = world;
  assert.ok(load?.running, "the sensors ended before the scenario did");
  const summary = await load.finish();
  story.at("sensors end");
  world.segmentsAtEnd = await world.target.segments();
  await world.everyFaultWasReal();
  await world.drained();
  const report = await load.verify();
  assert.equal(report.verdict, "PASS", report.reasons.join(" "));
  assert.ok(report.acknowledged > 0, "no frame was acknowledged, so nothing is proven");
  const { lost, duplicate, altered, evicted } = report;
  assert.deepEqual({ lost, duplicate, altered, evicted }, { lost: 0, duplicate: 0, altered: 0, evicted: 0 });
  world.proof = { sentFile: load.sentFile, logFile: report.logFile, summary };
  const { sent, acknowledged, received } = report;
  story.figure(
    "ledger",
    `${sent} frames sent, ${acknowledged} answered 2.04, ${received} in the ledger, 0 lost, 0 twice`,
  );
  return { sent, summary };
}

export function proofOf({ proof }: World) {
  assert.ok(proof !== undefined, "a step about the ledger has to come before this one");
  return proof;
}

const AROUND_MS = { before: 100, after: 2000 } as const;

/** Of the frames sent around the last fault, by lane; for the report too. */
async function latenessAround(world: World): Promise<void> {
  const { changedAtMs } = world;
  const window = { fromMs: changedAtMs - AROUND_MS.before, toMs: changedAtMs + AROUND_MS.after };
  const lanes = await latenessOf(proofOf(world), window);
  for (const [lane, { count, p50Ms, p95Ms, maxMs }] of lanes) {
    const words = `p50 ${p50Ms}, p95 ${p95Ms}, max ${maxMs} ms (${count} frames)`;
    world.story.figure(`sensor to ledger around the fault, ${lane}`, words);
  }
}
