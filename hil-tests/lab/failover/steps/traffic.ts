import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import type { StepDefinition } from "../gherkin/vocabulary.ts";
import type { Uplink } from "../target.ts";
import { LIMIT_MS, type Path, type Which, type World } from "../world.ts";

/** Where traffic goes, by what the gateway says. */
export const TRAFFIC_STEPS: readonly StepDefinition<World>[] = [
  {
    words: "traffic goes on over another uplink",
    does: "Waits until a receipt came over another one than `that uplink` since the fault. The report says how long that took.",
    run: (world) => goesOn(world, ({ name }) => name !== world.that, "another uplink"),
  },
  {
    words: "traffic goes on over {uplinks}",
    does: "The same for a certain one; `that uplink`: it stayed.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      await goesOn(world, ({ name }) => name === uplink, uplink);
    },
  },
  {
    words: "{int} more frames go over {uplinks}",
    does: "Waits for that many records over it, while it carries the traffic.",
    run: async (world, frames: number, which: Which) => {
      const { name, sentRecords } = await world.path(await world.uplink(which));
      await eventually(
        `${frames} more frames went over ${name}`,
        async () => {
          const now = await world.carrier();
          return now.name === name && now.sentRecords >= sentRecords + frames;
        },
        LIMIT_MS,
      );
    },
  },
  {
    words: "{int} more frames leave",
    does: "Waits for that many records over all uplinks together.",
    run: async (world, frames: number) => {
      const before = await recordsSent(world);
      await eventually(
        `${frames} more frames left`,
        async () => (await recordsSent(world)) >= before + frames,
        LIMIT_MS,
      );
    },
  },
  {
    words: "traffic has moved {int} time(s)",
    does: "Since the sensors send.",
    run: (world, times: number) => {
      const switches = world.eventsUnderLoad("path-switch");
      const seen = switches.map(({ fields }) => `${String(fields["from"])} to ${String(fields["to"])}`).join(", ");
      assert.equal(switches.length, times, `traffic moved ${switches.length} times: ${seen}`);
    },
  },
  {
    words: "no session has ended",
    does: "Of HTTP/2, since the sensors send: the connections in use when the fault came are still the same.",
    run: (world) => {
      const ended = [...world.eventsUnderLoad("session-lost"), ...world.eventsUnderLoad("session-failed")];
      assert.deepEqual(
        ended.map(({ event, fields }) => `${event}: ${JSON.stringify(fields)}`),
        [],
      );
    },
  },
  {
    words: "BFD has called no uplink down",
    does: "Since the sensors send.",
    run: (world) => {
      const downs = world.eventsUnderLoad("path-liveness").filter(({ fields }) => fields["liveness"] === "down");
      assert.deepEqual(
        downs.map(({ fields }) => `${String(fields["path"])}: ${String(fields["why"])}`),
        [],
      );
    },
  },
  {
    words: "BFD has called {uplinks} down",
    does: "Since the sensors send. The report says how long after the last packet.",
    run: async (world, which: Which) => {
      for (const uplink of await world.uplinks(which)) {
        const { fields } = await downOf(world, uplink);
        world.story.figure(`BFD: silence to verdict about ${uplink}`, `${String(fields["detectedInMs"])} ms`);
      }
    },
  },
  {
    words: "BFD has not called {uplinks} down",
    does: "Since the sensors send: it was something else that moved the traffic.",
    run: async (world, which: Which) => {
      for (const uplink of await world.uplinks(which)) {
        const downs = downsOf(world, uplink);
        assert.deepEqual(
          downs.map(({ fields }) => String(fields["why"])),
          [],
        );
      }
    },
  },
  {
    words: "the gateway says that round trips over {uplinks} take {int} ms or more",
    does: "Waits until `gateway uplinks` shows it.",
    run: async (world, which: Which, leastMs: number) => {
      const uplink = await world.uplink(which);
      const path = await eventually(
        `round trips over ${uplink} show as ${leastMs} ms or more`,
        async () => {
          const seen = await world.path(uplink);
          return seen.roundTripMs !== null && seen.roundTripMs >= leastMs && seen;
        },
        LIMIT_MS,
      );
      world.story.figure(`round trip over ${uplink} as the gateway shows it`, `${path.roundTripMs!.toFixed(0)} ms`);
    },
  },
  {
    words: "the standby is {uplinks}",
    does: "Where traffic would go next, and where the second copy of alarms goes.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      await eventually(
        `${uplink} is the standby`,
        async () => (await world.target.gatewayReport()).uplinks.standby === uplink,
        LIMIT_MS,
      );
    },
  },
];

async function goesOn(world: World, isMeant: (path: Path) => boolean, words: string): Promise<void> {
  const { changedAtMs } = world;
  await eventually(
    `a receipt comes over ${words}`,
    async () => {
      const now = await world.carrier();
      return isMeant(now) && now.lastReceiptS !== null && now.lastReceiptS * 1000 < Date.now() - changedAtMs;
    },
    LIMIT_MS,
  );
  world.story.figure(`fault to receipt over ${words}`, `${Date.now() - changedAtMs} ms (asked every 25 ms)`);
}

async function recordsSent(world: World): Promise<number> {
  const { uplinks } = await world.target.gatewayReport();
  return uplinks.paths.reduce((sum, { sentRecords }) => sum + sentRecords, 0);
}

function downsOf(world: World, uplink: Uplink) {
  return world
    .eventsUnderLoad("path-liveness")
    .filter(({ fields }) => fields["path"] === uplink && fields["liveness"] === "down");
}

function downOf(world: World, uplink: Uplink) {
  return eventually(`BFD calls ${uplink} down`, () => downsOf(world, uplink).at(-1), LIMIT_MS);
}
