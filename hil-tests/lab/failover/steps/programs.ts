import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import { happened } from "../happened.ts";
import { UPLINKS } from "../target.ts";
import { LIMIT_MS, type FaultStep } from "../world.ts";

/** Programs that end in the middle of it. */
export const PROGRAM_STEPS: readonly FaultStep[] = [
  {
    words: "the collector {end}",
    does: "And stays away until it comes back.",
    faults: ["ended-collector"],
    run: async ({ target, load, story }, end: string) => {
      assert.ok(load?.running, "no sensor sends");
      const code = end === "is killed" ? await target.killCollector() : await target.stopCollector();
      await happened(`the collector ${end}`, () => !target.isRunning("collector"));
      if (end !== "is killed") assert.equal(code, 0, "the collector did not end in good order");
      story.at(`the collector ${end}`);
    },
  },
  {
    words: "the gateway buffers more than a second's worth of frames",
    does: "Waits for it.",
    run: async ({ target, framesPerS }) => {
      await eventually(
        "the gateway buffers",
        async () => (await target.gatewayReport()).pendingRecords > framesPerS,
        LIMIT_MS,
      );
    },
  },
  {
    words: "the collector comes back",
    does: "On the same data.",
    run: async (world) => {
      await world.target.startCollector();
      world.changedAtMs = Date.now();
      world.story.at("the collector is back");
    },
  },
  {
    words: "the backlog is gone",
    does: "Waits until no more than a tenth of a second's worth of frames has no receipt. The report says how long that took.",
    run: async ({ target, story, framesPerS, changedAtMs }) => {
      await eventually(
        "the backlog is gone",
        async () => (await target.gatewayReport()).pendingRecords < framesPerS / 10,
        LIMIT_MS,
      );
      story.figure("until the backlog was gone", `${Date.now() - changedAtMs} ms (asked every 25 ms)`);
    },
  },
  {
    words: "the gateway is killed and starts again {int} times",
    does: "SIGKILL while frames arrive; in between, until frames arrive again.",
    faults: ["killed-gateway"],
    run: async (world, times: number) => {
      const { target, story } = world;
      for (let kill = 1; kill <= times; kill++) {
        await world.framesArrive();
        assert.ok(world.load?.running, "no sensor sends");
        await target.killGateway();
        await happened("the gateway is killed", () => !target.isRunning("gateway"));
        story.at("the gateway is killed");
        const killedMs = Date.now();
        await world.startGateway();
        story.at("the gateway takes frames again");
        story.figure(`kill ${kill} to taking frames`, `${Date.now() - killedMs} ms`);
      }
      await world.framesArrive();
    },
  },
  {
    words: "the BFD speaker is killed",
    does: "The process that speaks BFD for the gateway. `that uplink` is the active one then.",
    faults: ["killed-speaker"],
    run: async (world) => {
      assert.ok(world.load?.running, "no sensor sends");
      await world.uplink("the active uplink");
      const { target } = world;
      const before = await target.speakerPids();
      await target.killSpeaker();
      world.changedAtMs = Date.now();
      world.story.at("the BFD speaker is killed");
      await happened("the BFD speaker is killed", async () => {
        const now = await target.speakerPids();
        return before.length > 0 && before.every((pid) => !now.includes(pid));
      });
    },
  },
  {
    words: "BFD says nothing about any uplink",
    does: "Waits until each path has become `unknown` since then, by the gateway's log.",
    run: async (world) => {
      await eventually(
        "every path is unknown",
        () =>
          world.target
            .gatewayEvents("path-liveness")
            .filter(
              ({ atMs, fields }) => atMs >= world.changedAtMs - CLOCK_GRAIN_MS && fields["liveness"] === "unknown",
            )
            .map(({ fields }) => fields["path"])
            .filter((path, index, all) => all.indexOf(path) === index).length === UPLINKS.length,
        LIMIT_MS,
      );
    },
  },
  {
    words: "the BFD speaker is back, and every uplink is up",
    does: "Waits for it; nothing is done for it. The report says how long that took.",
    run: async (world) => {
      await world.everyUplinkUsable();
      world.story.figure("speaker killed to every uplink up again", `${Date.now() - world.changedAtMs} ms`);
    },
  },
];

/** Events carry whole milliseconds. */
const CLOCK_GRAIN_MS = 1;
