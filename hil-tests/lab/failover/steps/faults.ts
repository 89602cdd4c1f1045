import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import type { Fault, Uplink } from "../target.ts";
import { LIMIT_MS, type FaultStep, type Which, type World } from "../world.ts";

type OneWay = Extract<Fault, { kind: "one-way" }>["lost"];

/** What happens to uplinks. Breaking one that is broken makes it whole first. */
export const FAULT_STEPS: readonly FaultStep[] = [
  {
    words: "{uplinks} is/are cut",
    does: "Nothing passes in either direction, and nobody says so.",
    faults: ["cut"],
    run: (world, which: Which) => world.breakUplinks(which, { kind: "cut" }, "is cut"),
  },
  {
    words: "{uplinks} lose(s) everything on the way {direction}",
    does: "One direction is dead.",
    faults: ["one-way"],
    run: (world, which: Which, lost: OneWay) =>
      world.breakUplinks(which, { kind: "one-way", lost }, `loses everything ${lost}`),
  },
  {
    words: "{uplinks} swallow(s) TCP and UDP but answer(s) pings",
    does: "A black hole that looks alive to ping.",
    faults: ["black-hole"],
    run: (world, which: Which) => world.breakUplinks(which, { kind: "black-hole" }, "swallows TCP and UDP"),
  },
  {
    words: "{uplinks} lose(s) {float} % of all packets",
    does: "Each packet with this probability, in both directions.",
    faults: ["loss"],
    run: (world, which: Which, percent: number) =>
      world.breakUplinks(which, { kind: "loss", percent }, `loses ${percent} % of all packets`),
  },
  {
    words: "{uplinks} lose(s) {float} % of all TCP packets",
    does: "The same for TCP only, so that BFD sees nothing: a brown-out.",
    faults: ["tcp-loss"],
    run: (world, which: Which, percent: number) =>
      world.breakUplinks(which, { kind: "tcp-loss", percent }, `loses ${percent} % of all TCP packets`),
  },
  {
    words: "the MTU of {uplinks} falls to {int} bytes",
    does: "Larger packets come back as “too big”.",
    faults: ["mtu"],
    run: (world, which: Which, bytes: number) =>
      world.breakUplinks(which, { kind: "mtu", bytes }, `has an MTU of ${bytes}`),
  },
  {
    words: "round trips over {uplinks} take {int} ms longer",
    does: "Half of it in each direction.",
    faults: ["delay"],
    run: (world, which: Which, roundTripMs: number) => delay(world, which, roundTripMs, 0),
  },
  {
    words: "round trips over {uplinks} take {int} ms longer, give or take {int} ms",
    does: "The same with jitter, evenly drawn for each datagram.",
    faults: ["delay"],
    run: (world, which: Which, roundTripMs: number, variationMs: number) =>
      delay(world, which, roundTripMs, variationMs),
  },
  {
    words: "the gateway's interface to {uplinks} is switched off",
    does: "`ip link set … down`. When it is whole again its default route is put back, as whatever configures networks does.",
    faults: ["interface-down"],
    run: (world, which: Which) => world.breakUplinks(which, { kind: "interface-down" }, "has its interface off"),
  },
  {
    words: "the gateway's cable to {uplinks} is pulled",
    does: "The interface stays on and has no carrier.",
    faults: ["unplugged"],
    run: (world, which: Which) => world.breakUplinks(which, { kind: "unplugged" }, "has its cable pulled"),
  },
  {
    words: "{uplinks} is/are whole again",
    does: "Undoes what was broken.",
    run: (world, which: Which) => world.healUplinks(which),
  },
  {
    words: "{uplinks} come(s) back and fail(s) again {int} times",
    does: "Whole until BFD says Up, then broken as before until BFD says Down.",
    run: async (world, which: Which, times: number) => {
      const uplink = await world.uplink(which);
      const fault = world.faultOf(uplink);
      for (let flap = 0; flap < times; flap++) {
        await world.healUplinks(uplink);
        await livenessBecomes(world, uplink, "up");
        await world.breakUplinks(uplink, fault, "fails again");
        await livenessBecomes(world, uplink, "down");
      }
    },
  },
  {
    words: "the collector answers pings over {uplinks}",
    does: "By ping from the gateway's address on it.",
    run: async (world, which: Which) => {
      for (const uplink of await world.uplinks(which)) {
        assert.ok(await world.target.pingOver(uplink), `no ping is answered over ${uplink}`);
      }
    },
  },
];

function delay(world: World, which: Which, roundTripMs: number, variationMs: number): Promise<void> {
  const words = `takes ${roundTripMs}±${variationMs} ms longer`;
  return world.breakUplinks(which, { kind: "delay", roundTripMs, variationMs }, words);
}

async function livenessBecomes(world: World, uplink: Uplink, liveness: "up" | "down"): Promise<void> {
  await eventually(
    `BFD says ${liveness} of ${uplink}`,
    async () => (await world.path(uplink)).liveness === liveness,
    LIMIT_MS,
  );
}
