import { expect, test } from "vitest";
import type { PathStatus } from "@paddock/gateway/status/status.ts";
import { StoryTeller } from "../../story.ts";
import type { Load } from "../load.ts";
import { UPLINKS, type LoggedEvent, type Target, type Uplink } from "../target.ts";
import { World } from "../world.ts";
import { ALL_STEPS } from "./all-steps.ts";

/*
 * Every step that asserts is tried on a world that is as it should be, and on one that lies in a single thing: a step
 * that passes both proves nothing.
 */

const SENDING_SINCE_MS = 1000;

class FakeTarget {
  events: LoggedEvent[] = [];
  /** What a heal says the fault has touched. */
  touched = 5;
  pending = 0;
  flapPenalty = 0;
  readonly #broken = new Set<Uplink>();

  gatewayEvents(name?: string): readonly LoggedEvent[] {
    return this.events.filter(({ event }) => name === undefined || event === name);
  }

  async gatewayReport() {
    const paths = UPLINKS.map(
      (name) => ({ name, sentRecords: 0, lastReceiptS: 0, flapPenalty: this.flapPenalty }) as unknown as PathStatus,
    );
    return { uplinks: { active: "fibre", standby: "lte", paths }, pendingRecords: this.pending, pendingAlarms: 0 };
  }

  async breakUplink(uplink: Uplink): Promise<number> {
    this.#broken.add(uplink);
    return 2000;
  }

  async healUplink(uplink: Uplink): Promise<number | undefined> {
    return this.#broken.delete(uplink) ? this.touched : undefined;
  }

  async pingOver(): Promise<boolean> {
    return true;
  }
}

const GOOD_REPORT = {
  verdict: "PASS",
  reasons: [],
  sent: 10,
  acknowledged: 10,
  received: 10,
  lost: 0,
  duplicate: 0,
  altered: 0,
  evicted: 0,
  logFile: "log.ndjson",
};

function worldOf(report: object = {}, outcomes: object = { acknowledged: 10 }, running = true) {
  const target = new FakeTarget();
  const world = new World(target as unknown as Target, new StoryTeller("a world that may lie"));
  world.loadSinceMs = SENDING_SINCE_MS;
  world.load = {
    running,
    sentFile: "sent.ndjson",
    finish: async () => ({ outcomes }),
    verify: async () => ({ ...GOOD_REPORT, ...report }),
  } as unknown as Load;
  return { world, target };
}

async function step(world: World, words: string, ...values: unknown[]): Promise<void> {
  const found = ALL_STEPS.find((one) => one.words === words);
  if (found === undefined) throw new Error(`there is no step "${words}"`);
  await (found.run as (world: World, ...given: unknown[]) => unknown)(world, ...values);
}

const event = (name: string, fields: Record<string, unknown> = {}, atMs = 3000): LoggedEvent => ({
  atMs,
  event: name,
  fields,
});
const DOWN = event("path-liveness", { path: "fibre", liveness: "down", why: "silence", detectedInMs: 900 });

const MOVED = "traffic has moved {int} time(s)";
test("traffic that moved another number of times is seen, what moved before the load is not", async () => {
  const { world, target } = worldOf();
  target.events = [event("path-switch", {}, 500), event("path-switch")];
  await step(world, MOVED, 1);
  await expect(step(world, MOVED, 0)).rejects.toThrow(/moved 1 times/);
  target.events = [];
  await expect(step(world, MOVED, 1)).rejects.toThrow(/moved 0 times/);
});

test("a Down under load is seen, one before it is not", async () => {
  const { world, target } = worldOf();
  target.events = [{ ...DOWN, atMs: 500 }];
  await step(world, "BFD has called no uplink down");
  await step(world, "BFD has not called {uplinks} down", "fibre");
  target.events = [DOWN];
  await expect(step(world, "BFD has called no uplink down")).rejects.toThrow(/silence/);
  await expect(step(world, "BFD has not called {uplinks} down", "fibre")).rejects.toThrow(/silence/);
  await step(world, "BFD has not called {uplinks} down", "lte");
  await step(world, "BFD has called {uplinks} down", "fibre");
});

test.each(["session-lost", "session-failed"])("a %s under load is seen", async (name) => {
  const { world, target } = worldOf();
  await step(world, "no session has ended");
  target.events = [event(name)];
  await expect(step(world, "no session has ended")).rejects.toThrow(name);
});

test("a penalty of an uplink is seen", async () => {
  const { world, target } = worldOf();
  await step(world, "no uplink has a penalty");
  target.flapPenalty = 900;
  await expect(step(world, "no uplink has a penalty")).rejects.toThrow(/900/);
});

const PROVEN = "every frame answered 2.04 is in the ledger exactly once";
test.each([
  ["a verdict", { verdict: "FAIL", reasons: ["because"] }],
  ["nothing acknowledged", { acknowledged: 0 }],
  ["something lost", { lost: 1 }],
  ["something twice", { duplicate: 1 }],
  ["something altered", { altered: 1 }],
  ["something evicted", { evicted: 1 }],
])("the ledger's step does not pass on %s", async (_, lie) => {
  await step(worldOf().world, PROVEN);
  await expect(step(worldOf(lie).world, PROVEN)).rejects.toThrow();
});

test("the ledger's step does not pass when the sensors had ended before", async () => {
  await expect(step(worldOf({}, {}, false).world, PROVEN)).rejects.toThrow(/ended before/);
});

const ANSWERED = "every frame is answered 2.04 and is in the ledger exactly once";
test("a frame with another answer is seen", async () => {
  await step(worldOf().world, ANSWERED);
  await expect(step(worldOf({}, { acknowledged: 9, refused: 1 }).world, ANSWERED)).rejects.toThrow(/something else/);
});

test("a fault that touched nothing fails the scenario, on one uplink or on all", async () => {
  for (const which of ["fibre", "every uplink"] as const) {
    const real = worldOf();
    await step(real.world, "{uplinks} lose(s) {float} % of all packets", which, 5);
    await step(real.world, PROVEN);
    const pretended = worldOf();
    pretended.target.touched = 0;
    await step(pretended.world, "{uplinks} lose(s) {float} % of all packets", which, 5);
    await expect(step(pretended.world, PROVEN)).rejects.toThrow(/never happened/);
  }
});

test("a fault that was healed, or followed by another one, still has to have touched something", async () => {
  for (const next of ["{uplinks} is/are whole again", "{uplinks} is/are cut"]) {
    const { world, target } = worldOf();
    target.touched = 0;
    await step(world, "{uplinks} is/are cut", "fibre");
    await step(world, next, "fibre");
    target.touched = 5;
    await expect(step(world, PROVEN)).rejects.toThrow(/never happened/);
  }
});
