import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import { arrivalsOf, percentile } from "../../../report/outage.ts";
import { NEVER_HAPPENED } from "../happened.ts";
import type { RivalReport, Uplink } from "../target.ts";
import { isUsable, LIMIT_MS, type Cut, type FaultStep, type Path, type World } from "../world.ts";
import { proofOf } from "./ledger.ts";

/** What detection and failover may take besides, by the goal of the project, ms. */
const GRACE_MS = 20;
/** Events carry whole milliseconds. */
const CLOCK_GRAIN_MS = 1;
const DETECTION_TIME_MS = { fast: 150, steady: 900 } as const;

/** Cut after cut under load. */
export const CUT_STEPS: readonly FaultStep[] = [
  {
    words: "the active uplink is cut {int} times, each time until another one has taken over",
    does: "The next cut comes as soon as another uplink is there to take over. PADDOCK_HIL_CUTS overrides the number.",
    faults: ["cut"],
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
  await provenByEnd(world, victim, async () => {
    await eventually("another uplink brings receipts", () => takenOver(world, victim, atMs), LIMIT_MS);
  });
  if (rival !== undefined) await eventually(`${rival.name} finds the cut`, () => !rival.isUp(victim), LIMIT_MS);
  const swallowed = await target.healUplink(victim);
  assert.ok(swallowed !== undefined && swallowed > 0, swallowedNothing(victim));
  story.at(`${victim} is whole again`);
}

/** To ask for the counter at once would disturb what is measured here: it is read when all is over, or has failed. */
async function provenByEnd({ target }: World, victim: Uplink, bridge: () => Promise<void>): Promise<void> {
  try {
    await bridge();
  } catch (error) {
    if ((await target.touchedBy(victim)) === 0) throw new Error(swallowedNothing(victim), { cause: error });
    throw error;
  }
}

function swallowedNothing(victim: Uplink): string {
  return `${NEVER_HAPPENED}: the cut of ${victim} swallowed no packet`;
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
  const { cuts, story, target, rival, framesPerS } = world;
  const { logFile, summary } = proofOf(world);
  assert.ok(cuts.length > 0, "nothing was cut");
  await tellBridged(world, await arrivalsOf(logFile));
  const downs = target.gatewayEvents("path-liveness").filter(({ fields }) => fields["liveness"] === "down");
  const ours = downs.map(({ atMs, fields }) => ({
    uplink: fields["path"] as Uplink,
    atMs,
    detectedInMs: Number(fields["detectedInMs"] ?? Number.NaN),
  }));
  tellDetection(world, "Paddock", ours);
  if (rival !== undefined) {
    const { downs: theirs, processorMs, observedMs } = await rival.finish();
    tellDetection(world, rival.name, theirs);
    const percent = ((100 * processorMs) / observedMs).toFixed(1);
    story.figure(
      `what ${rival.name} cost`,
      `${processorMs} ms of processor time beside the gateway, ${percent} % of a core`,
    );
  }
  const resent = target
    .gatewayEvents("path-switch")
    .reduce((sum, { fields }) => sum + Number(fields["framesResent"] ?? 0), 0);
  story.figure("frames sent again", String(resent));
  const behind = `the simulator at most ${Math.round(summary.behindMaxMs)} ms behind its plan`;
  story.figure("rate offered", `${framesPerS} CON frames/s, ${behind}`);
}

/**
 * From each cut to the first batch that the collector took after traffic had moved. Everything that was past the cut has
 * arrived by then, as silence is what moves traffic.
 */
async function tellBridged({ cuts, story, target, watch }: World, arrivals: readonly number[]): Promise<void> {
  assert.ok(watch !== "none", "BFD watches nothing");
  const moves = target
    .gatewayEvents("path-switch")
    .map(({ atMs, fields }) => ({ atMs, uplink: fields["from"] as Uplink }));
  const bridged = cuts.flatMap((cut) => {
    const moved = firstOf(moves, cut, cuts);
    const atMs = moved === undefined ? undefined : arrivals.find((arrivalMs) => arrivalMs >= moved.atMs);
    return moved === undefined || atMs === undefined ? [] : [{ cut, movedMs: moved.atMs, atMs }];
  });
  assert.ok(bridged.length > 0, "nothing arrived after any cut");
  for (const { cut, atMs } of bridged) {
    story.at(`the first batch after the cut is kept, ${(atMs - cut.atMs).toFixed(0)} ms after it`, atMs);
  }
  const { uplinks } = await target.gatewayReport();
  const roundTripMs = Math.min(...uplinks.paths.map((path) => path.roundTripMs ?? Number.POSITIVE_INFINITY));
  const goal = (DETECTION_TIME_MS[watch] + roundTripMs + GRACE_MS).toFixed(1);
  const took = spread(bridged.map(({ cut, atMs }) => atMs - cut.atMs));
  story.figure("cut to first batch kept over the next uplink", `${took} (${bridged.length} of ${cuts.length} cuts)`);
  story.figure("of that, since traffic had moved", spread(bridged.map(({ movedMs, atMs }) => atMs - movedMs)));
  story.figure(
    "the goal for the p95 of the whole",
    `${goal} ms: detection time, a round trip of ${roundTripMs.toFixed(1)} ms, ${GRACE_MS} ms`,
  );
}

function tellDetection({ story, cuts }: World, name: string, downs: RivalReport["downs"]): void {
  const found = cuts.flatMap((cut) => firstOf(downs, cut, cuts) ?? []);
  const measured = found.map(({ detectedInMs }) => detectedInMs).filter(Number.isFinite);
  const others = downs.length - found.length;
  const rest = others === 0 ? "" : `; ${others} times Down that no cut explains`;
  const took = measured.length === 0 ? "not measured" : spread(measured);
  story.figure(`silence to verdict of ${name}`, `${took} (${measured.length} of ${cuts.length} cuts)${rest}`);
}

/** The first thing that happened to the uplink after this cut and before the next one of it. */
function firstOf<Event extends Cut>(events: readonly Event[], cut: Cut, cuts: readonly Cut[]): Event | undefined {
  const next = cuts.find(({ uplink, atMs }) => uplink === cut.uplink && atMs > cut.atMs);
  const untilMs = next?.atMs ?? Number.POSITIVE_INFINITY;
  return events.find(
    ({ uplink, atMs }) => uplink === cut.uplink && atMs >= cut.atMs - CLOCK_GRAIN_MS && atMs < untilMs - CLOCK_GRAIN_MS,
  );
}

function spread(values: readonly number[]): string {
  const at = (share: number) => percentile(values, share).toFixed(1);
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, max ${at(1)} ms`;
}
