import assert from "node:assert/strict";
import type { PathStatus } from "@paddock/gateway/status/status.ts";
import { eventually } from "../namespaces.ts";
import type { StoryTeller } from "../story.ts";
import type { Load } from "./load.ts";
import type { Target, Uplink } from "./target.ts";

/** Generous: a busy machine is slow, and only a broken program never gets there. */
const LIMIT_MS = 60_000;

/** Every session is open, every watcher content, and one uplink carries traffic. */
export async function readyToFail(target: Target): Promise<void> {
  await eventually(
    "every uplink is usable",
    async () => {
      const { uplinks } = await target.gatewayStatus();
      return (
        uplinks.active !== null &&
        uplinks.paths.every(
          ({ session, liveness, watch }) => session === "open" && (watch === null || liveness === "up"),
        )
      );
    },
    LIMIT_MS,
  );
}

/** The uplink that carries traffic now. */
export async function carrier(target: Target): Promise<PathStatus & { readonly name: Uplink }> {
  const { uplinks } = await target.gatewayStatus();
  const active = uplinks.paths.find(({ name }) => name === uplinks.active);
  assert.ok(active !== undefined, "no uplink carries traffic");
  return active as PathStatus & { readonly name: Uplink };
}

/** Waits until the collector has confirmed everything that the gateway took. */
export async function drained(target: Target): Promise<void> {
  await eventually(
    "the gateway's buffer is confirmed to the last frame",
    async () => (await target.gatewayStatus()).pendingRecords === 0,
    LIMIT_MS,
  );
}

/** Joins the sent ledger with the collector's log. Throws unless each acknowledged frame is there exactly once. */
export async function proveNothingLost(load: Load, story: StoryTeller): Promise<Awaited<ReturnType<Load["verify"]>>> {
  const report = await load.verify();
  assert.equal(report.verdict, "PASS", report.reasons.join(" "));
  assert.ok(report.acknowledged > 0, "no frame was acknowledged, so nothing is proven");
  assert.deepEqual(
    { lost: report.lost, duplicate: report.duplicate, altered: report.altered, evicted: report.evicted },
    { lost: 0, duplicate: 0, altered: 0, evicted: 0 },
  );
  story.figure(
    "ledger",
    `${report.sent} frames sent, ${report.acknowledged} answered 2.04, ${report.received} in the ledger, 0 lost, 0 twice`,
  );
  return report;
}
