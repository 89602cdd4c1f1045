import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import { arrivalsOf } from "../../../report/outage.ts";
import { happened } from "../happened.ts";
import type { LoggedEvent, Uplink } from "../target.ts";
import { LIMIT_MS, type FaultStep, type Which, type World } from "../world.ts";
import { proofOf } from "./ledger.ts";

/** Addresses that come and go. */
export const ADDRESS_STEPS: readonly FaultStep[] = [
  {
    words: "the provider of {uplinks} hands out a new prefix and deprecates the old one",
    does: "The gateway gets an address of the new prefix and its source rule; the old address stays, deprecated.",
    faults: ["new-prefix", "deprecated-prefix"],
    run: async (world, which: Which) => {
      assert.ok(world.load?.running, "no sensor sends");
      const { target } = world;
      const uplink = await world.uplink(which);
      const before = target.addressesOf(uplink);
      world.changedAtMs = await target.offerNewPrefix(uplink);
      world.story.at(`${uplink} has an address of a new prefix`, world.changedAtMs);
      await happened(`${uplink} has one more address`, () => target.addressesOf(uplink).length === before.length + 1);
      await target.deprecateOldPrefix(uplink);
      const old = ({ address }: { address: string }) => before.some((one) => one.address === address);
      await happened(`the old address of ${uplink} is deprecated`, () =>
        target.addressesOf(uplink).some((one) => old(one) && one.deprecated),
      );
      world.story.at(`the old address of ${uplink} is deprecated`);
    },
  },
  {
    words: "the provider of {uplinks} withdraws the old prefix",
    does: "Address, source rule and routes of the old prefix are gone.",
    faults: ["withdrawn-prefix"],
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      const { target } = world;
      const before = target.addressesOf(uplink);
      await target.withdrawOldPrefix(uplink);
      await happened(`${uplink} has one address less`, () => target.addressesOf(uplink).length === before.length - 1);
      world.story.at(`the old prefix of ${uplink} is withdrawn`);
    },
  },
  {
    words: "{uplinks} sends from its new address",
    does: "Waits for a session from the newest address of it. The report says how long after the address could be used.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      const first = sourceAtFirst(world, uplink);
      const address = world.target.addressesOf(uplink).find((one) => one.address !== first)?.address;
      assert.ok(address !== undefined, `${uplink} has no new address`);
      await eventually(
        `${uplink} has a session from ${address}`,
        async () => {
          const { source, session } = await world.path(uplink);
          return source === address && session === "open";
        },
        LIMIT_MS,
      );
      const { atMs } = sessionOpenedAgain(world, uplink);
      world.story.at(`${uplink} has a session from ${address}`, atMs);
      world.story.figure("new address usable to session from it", `${atMs - world.changedAtMs} ms`);
    },
  },
  {
    words: "the report tells how soon frames arrived from the new address",
    does: "Needs the ledger, and that no other uplink carried anything: the first batch that the collector kept after the session was open.",
    run: async (world) => {
      const arrivals = await arrivalsOf(proofOf(world).logFile);
      const openedMs = sessionOpenedAgain(world, world.that).atMs;
      const keptMs = arrivals.find((arrivalMs) => arrivalMs >= openedMs);
      assert.ok(keptMs !== undefined, "nothing arrived afterwards");
      world.story.figure("new address usable to first batch kept from it", `${keptMs - world.changedAtMs} ms`);
    },
  },
  {
    words: "{uplinks} loses its address",
    does: "The address is taken from the gateway's interface.",
    faults: ["lost-address"],
    run: async (world, which: Which) => {
      assert.ok(world.load?.running, "no sensor sends");
      const uplink = await world.uplink(which);
      world.changedAtMs = await world.target.removeAddress(uplink);
      world.story.at(`fault: ${uplink} has no address`, world.changedAtMs);
      await happened(`${uplink} has no address`, () => world.target.addressesOf(uplink).length === 0);
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

/** The first session of the path since the last change of addresses. */
function sessionOpenedAgain({ target, changedAtMs }: World, uplink: Uplink): LoggedEvent {
  const opened = target
    .gatewayEvents("session-open")
    .find(({ atMs, fields }) => atMs >= changedAtMs && fields["path"] === uplink);
  assert.ok(opened !== undefined, `the session over ${uplink} was not opened anew`);
  return opened;
}

/** The source with which the path began. */
function sourceAtFirst(world: World, uplink: string): unknown {
  return world.target.gatewayEvents("path-source").find(({ fields }) => fields["path"] === uplink)?.fields["source"];
}
