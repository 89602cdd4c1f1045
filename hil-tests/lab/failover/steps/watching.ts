import { eventually } from "../../namespaces.ts";
import type { StepDefinition } from "../gherkin/vocabulary.ts";
import { LIMIT_MS, type Which, type World } from "../world.ts";

/** What paths cost, and what may use them. */
export const WATCHING_STEPS: readonly StepDefinition<World>[] = [
  {
    words: "{uplinks} is/are watched slowly",
    does: "Waits until the gateway has slowed BFD down there: metered and not needed.",
    run: (world, which: Which) => paceBecomes(world, which, "slow"),
  },
  {
    words: "{uplinks} is/are watched as configured",
    does: "Waits until BFD has the configured pace there.",
    run: (world, which: Which) => paceBecomes(world, which, "configured"),
  },
  {
    words: "alarms arrive over {uplinks} while telemetry waits",
    does: "Waits until two seconds' worth of frames have no receipt, less than a second's worth of alarms has none, and receipts come.",
    run: async (world, which: Which) => {
      const uplink = await world.uplink(which);
      await eventually(
        `alarms arrive over ${uplink} while telemetry waits`,
        async () => {
          const { pendingRecords, pendingAlarms } = await world.target.gatewayReport();
          const { name, lastReceiptS } = await world.carrier();
          const waits = pendingRecords - pendingAlarms > 2 * world.framesPerS;
          return (
            name === uplink && waits && pendingAlarms < world.alarmsPerS && lastReceiptS !== null && lastReceiptS < 1
          );
        },
        LIMIT_MS,
      );
      world.sentRecords.set(uplink, (await world.path(uplink)).sentRecords);
    },
  },
];

async function paceBecomes(world: World, which: Which, pace: "slow" | "configured"): Promise<void> {
  for (const uplink of await world.uplinks(which)) {
    await eventually(
      `the watcher of ${uplink} is ${pace}`,
      async () => (await world.path(uplink)).watch?.pace === pace,
      LIMIT_MS,
    );
  }
}
