import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import type { StepDefinition } from "../gherkin/vocabulary.ts";
import { LIMIT_MS, type Which, type World } from "../world.ts";

/** Addresses that come and go. */
export const ADDRESS_STEPS: readonly StepDefinition<World>[] = [
  {
    words: "the provider of {uplinks} hands out a new prefix and deprecates the old one",
    does: "The gateway gets an address of the new prefix and its source rule; the old address stays, deprecated.",
    run: async (world, which: Which) => {
      assert.ok(world.load?.running, "no sensor sends");
      const uplink = await world.uplink(which);
      world.changedAtMs = await world.target.offerNewPrefix(uplink);
      world.story.at(`${uplink} has an address of a new prefix`, world.changedAtMs);
      await world.target.deprecateOldPrefix(uplink);
      world.story.at(`the old address of ${uplink} is deprecated`);
    },
  },
  {
    words: "the provider of {uplinks} withdraws the old prefix",
    does: "Address, source rule and routes of the old prefix are gone.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      await world.target.withdrawOldPrefix(uplink);
      world.story.at(`the old prefix of ${uplink} is withdrawn`);
    },
  },
  {
    words: "{uplinks} sends from its new address",
    does: "Waits for a session from the newest address of it. The report says how long after the address could be used.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      const address = world.target.addressesOf(uplink).find((one) => one !== sourceAtFirst(world, uplink));
      assert.ok(address !== undefined, `${uplink} has no new address`);
      await eventually(
        `${uplink} has a session from ${address}`,
        async () => {
          const { source, session } = await world.path(uplink);
          return source === address && session === "open";
        },
        LIMIT_MS,
      );
      const opened = world.target
        .gatewayEvents("session-open")
        .find(({ atMs, fields }) => atMs >= world.changedAtMs && fields["path"] === uplink);
      assert.ok(opened !== undefined, "the session was not opened anew");
      world.story.at(`${uplink} has a session from ${address}`, opened.atMs);
      world.story.figure("new address usable to session from it", `${opened.atMs - world.changedAtMs} ms`);
    },
  },
  {
    words: "{uplinks} loses its address",
    does: "The address is taken from the gateway's interface.",
    run: async (world, which: Which) => {
      assert.ok(world.load?.running, "no sensor sends");
      const uplink = await world.uplink(which);
      world.changedAtMs = await world.target.removeAddress(uplink);
      world.story.at(`fault: ${uplink} has no address`, world.changedAtMs);
    },
  },
  {
    words: "{uplinks} gets its address back",
    does: "The same address, with its source rule and route.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      world.changedAtMs = await world.target.restoreAddress(uplink);
      world.story.at(`${uplink} has its address back`, world.changedAtMs);
    },
  },
  {
    words: "{uplinks} is/are usable again",
    does: "Waits until the session is open and BFD says Up. The report says how long that took.",
    run: async (world, which: Which) => {
      await world.becomeUsable(which);
      world.story.figure("change to usable again", `${Date.now() - world.changedAtMs} ms (asked every 25 ms)`);
    },
  },
];

/** The source with which the path began. */
function sourceAtFirst(world: World, uplink: string): unknown {
  return world.target.gatewayEvents("path-source").find(({ fields }) => fields["path"] === uplink)?.fields["source"];
}
