import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import { arrivalsOf, percentile, resumedAfterMs } from "../../../report/outage.ts";
import type { StepDefinition } from "../gherkin/vocabulary.ts";
import type { Uplink } from "../target.ts";
import { isUsable, LIMIT_MS, type Cut, type Path, type World } from "../world.ts";
import { proofOf } from "./ledger.ts";

/** What detection and failover may take besides, by the goal of the project, ms. */
const GRACE_MS = 20;
const DETECTION_TIME_MS = { fast: 150, steady: 900 } as const;

/** Cut after cut under load. */
export const CUT_STEPS: readonly StepDefinition<World>[] = [
  {
    words: "the active uplink is cut {int} times, each time until another one has taken over",
    does: "The next cut comes as soon as another uplink is there to take over. PADDOCK_HIL_CUTS overrides the number.",
    run: async (world, times: number) => {
      for (let cut = 1; cut <= Number(process.env["PADDOCK_HIL_CUTS"] ?? times); cut++) await cutOnce(world);
    },
  },
  {
    words: "the report tells how soon each cut was found and bridged",
    does: "Needs the ledger: silence to BFD's verdict, ours beside FRR's, and cut to the first batch that the collector kept over the next uplink.",
    run: tellCuts,
  },
];

async function cutOnce(world: World): Promise<void> {
  const { target, story, rival } = world;
  const victim = await eventually(
    "the active uplink can be cut and another one is there",
    () => nextVictim(world),
    LIMIT_MS,
  );
  assert.ok(world.load?.running, "no sensor sends");
  const atMs = await target.breakUplink(victim, { kind: "cut" });
  story.at(`fault: ${victim} is cut`, atMs);
  world.cuts.push({ uplink: victim, atMs });
  await eventually("another uplink brings receipts", () => takenOver(world, victim, atMs), LIMIT_MS);
  if (rival !== undefined) await eventually(`${rival.name} finds the cut`, () => !rival.isUp(victim), LIMIT_MS);
  await target.healUplink(victim);
  story.at(`${victim} is whole again`);
}

/** The active uplink, once another one could take over from it and everybody watches it. */
async function nextVictim({ target, rival }: World): Promise<Uplink | undefined> {
  const { uplinks } = await target.gatewayReport();
  const active = uplinks.paths.find(({ name }) => name === uplinks.active) as Path | undefined;
  if (active === undefined || !isUsable(active) || (rival !== undefined && !rival.isUp(active.name))) return undefined;
  return uplinks.paths.some((path) => path.name !== active.name && isUsable(path)) ? active.name : undefined;
}

/** The victim is left, and a receipt came over another uplink since. */
async function takenOver({ target }: World, victim: string, cutMs: number): Promise<boolean> {
  const { uplinks } = await target.gatewayReport();
  const active = uplinks.paths.find(({ name }) => name === uplinks.active);
  if (active === undefined || active.name === victim || active.lastReceiptS === null) return false;
  return active.lastReceiptS * 1000 < Date.now() - cutMs && active.lastReceiptS < 0.1;
}

async function tellCuts(world: World): Promise<void> {
  const { cuts, story, target, watch } = world;
  const { logFile, summary } = proofOf(world);
  assert.ok(cuts.length > 0 && watch !== "none", "nothing was cut that BFD watches");
  const arrivals = await arrivalsOf(logFile);
  const resumed = cuts.map(({ atMs }, index) =>
    resumedAfterMs(arrivals, atMs, { untilMs: cuts[index + 1]?.atMs ?? atMs + 30_000 }),
  );
  assert.ok(
    resumed.every((ms) => ms !== undefined),
    "after a cut nothing arrived any more",
  );
  for (const [index, ms] of resumed.entries()) {
    story.at(`the first batch after the cut is kept, ${ms} ms after it`, cuts[index]!.atMs + ms);
  }
  const { uplinks } = await target.gatewayReport();
  const roundTripMs = Math.min(...uplinks.paths.map((path) => path.roundTripMs ?? Number.POSITIVE_INFINITY));
  const goalMs = DETECTION_TIME_MS[watch] + roundTripMs + GRACE_MS;
  story.figure("cut to first batch kept over the next uplink", spread(resumed));
  story.figure(
    "the goal for its p95",
    `${goalMs.toFixed(1)} ms: detection time, a round trip of ${roundTripMs.toFixed(1)} ms, 20 ms`,
  );

  const downs = target.gatewayEvents("path-liveness").filter(({ fields }) => fields["liveness"] === "down");
  const ours = downs.map(({ atMs, fields }) => ({
    uplink: fields["path"] as Uplink,
    atMs,
    detectedInMs: Number(fields["detectedInMs"] ?? Number.NaN),
  }));
  tellDetection(world, "Paddock", ours);
  if (world.rival !== undefined) {
    const seconds = (Date.now() - world.loadSinceMs) / 1000;
    const { downs: theirs, processorMs } = await world.rival.finish();
    tellDetection(world, world.rival.name, theirs);
    const share = (processorMs / 10 / seconds).toFixed(1);
    story.figure(
      `what ${world.rival.name} cost`,
      `${processorMs} ms of processor time beside the gateway, ${share} % of a core`,
    );
  }
  const switches = target.gatewayEvents("path-switch");
  const resent = switches.reduce((sum, { fields }) => sum + Number(fields["framesResent"] ?? 0), 0);
  story.figure("frames sent again", String(resent));
  const behind = `the simulator at most ${Math.round(summary.behindMaxMs)} ms behind its plan`;
  story.figure("rate offered", `${world.framesPerS} CON frames/s, ${behind}`);
}

interface Down extends Cut {
  readonly detectedInMs: number;
}

/** A verdict is of the cut that came last before it on the same uplink, and that has none yet. */
function tellDetection({ story, cuts }: World, name: string, downs: readonly Down[]): void {
  const found = cuts.flatMap((cut, index) => {
    const nextMs = cuts.slice(index + 1).find(({ uplink }) => uplink === cut.uplink)?.atMs ?? Number.POSITIVE_INFINITY;
    return downs.find(({ uplink, atMs }) => uplink === cut.uplink && atMs >= cut.atMs - 1 && atMs < nextMs) ?? [];
  });
  const measured = found.map(({ detectedInMs }) => detectedInMs).filter(Number.isFinite);
  const others = downs.length - found.length;
  const rest = others === 0 ? "" : `; ${others} times Down that no cut explains`;
  story.figure(
    `silence to verdict of ${name}`,
    measured.length === 0
      ? `not measured${rest}`
      : `${spread(measured)} (${measured.length} of ${cuts.length} cuts)${rest}`,
  );
}

function spread(values: readonly number[]): string {
  const at = (share: number) => percentile(values, share).toFixed(1);
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, max ${at(1)} ms`;
}
