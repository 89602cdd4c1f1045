import { afterEach, expect, test, vi } from "vitest";
import type { PathStatus } from "@paddock/gateway/status/status.ts";
import { StoryTeller } from "../../story.ts";
import type { Load } from "../load.ts";
import { UPLINKS, type FaultName, type HeldAddress, type LoggedEvent, type Target, type Uplink } from "../target.ts";
import { NEVER_HAPPENED } from "../happened.ts";
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
  /** Sent, and sent again, since the fault. */
  readonly counted = { sent: 1000, again: 30 };
  flapPenalty = 0;
  /** What is not done, though it is said to be. */
  sabotaged: FaultName | undefined;
  active: Uplink = "fibre";
  addresses: HeldAddress[] = [{ address: "fd00:a0::2", deprecated: false }];
  ingressProcess = 1;
  speakerProcess = 1;
  readonly running = { gateway: true, collector: true };
  readonly #broken = new Map<Uplink, FaultName>();

  gatewayEvents(name?: string): readonly LoggedEvent[] {
    return this.events.filter(({ event }) => name === undefined || event === name);
  }

  async gatewayReport() {
    const paths = UPLINKS.map(
      (name) =>
        ({
          name,
          session: "open",
          watch: null,
          sentRecords: 1,
          lastReceiptS: 0,
          flapPenalty: this.flapPenalty,
        }) as unknown as PathStatus,
    );
    return { uplinks: { active: this.active, standby: "lte", paths }, pendingRecords: this.pending, pendingAlarms: 0 };
  }

  async breakUplink(uplink: Uplink, { kind }: { kind: FaultName }): Promise<number> {
    this.#broken.set(uplink, kind);
    if (uplink === this.active && this.#happens(kind)) this.active = "lte";
    return 2000;
  }

  async touchedBy(uplink: Uplink): Promise<number> {
    const fault = this.#broken.get(uplink);
    return fault !== undefined && this.#happens(fault) ? this.touched : 0;
  }

  async healUplink(uplink: Uplink): Promise<number | undefined> {
    const touched = await this.touchedBy(uplink);
    return this.#broken.delete(uplink) ? touched : undefined;
  }

  /** Two calls: at the fault, and at the end. */
  async segments() {
    const { sent, again } = this.counted;
    return this.#broken.size === 0 ? { sent: 500 + sent, again: 7 + again } : { sent: 500, again: 7 };
  }

  addressesOf(): readonly HeldAddress[] {
    return this.addresses;
  }

  async offerNewPrefix(): Promise<number> {
    if (this.#happens("new-prefix")) this.addresses = [...this.addresses, { address: "new", deprecated: false }];
    return 2000;
  }

  async deprecateOldPrefix(): Promise<void> {
    if (!this.#happens("deprecated-prefix")) return;
    this.addresses = this.addresses.map((one) => ({ ...one, deprecated: one.address !== "new" }));
  }

  async withdrawOldPrefix(): Promise<void> {
    if (this.#happens("withdrawn-prefix")) this.addresses = this.addresses.slice(1);
  }

  async removeAddress(): Promise<number> {
    if (this.#happens("lost-address")) this.addresses = [];
    return 2000;
  }

  isRunning(program: "gateway" | "collector"): boolean {
    return this.running[program];
  }

  async killCollector(): Promise<void> {
    if (this.#happens("ended-collector")) this.running.collector = false;
  }

  async stopCollector(): Promise<number> {
    await this.killCollector();
    return 0;
  }

  async killGateway(): Promise<void> {
    if (this.#happens("killed-gateway")) this.running.gateway = false;
  }

  async startGateway(): Promise<void> {
    this.running.gateway = true;
  }

  async speakerPids(): Promise<readonly number[]> {
    return [this.speakerProcess];
  }

  async killSpeaker(): Promise<void> {
    if (this.#happens("killed-speaker")) this.speakerProcess++;
  }

  async ingressPids(): Promise<readonly number[]> {
    return [this.ingressProcess];
  }

  async reloadIngress(): Promise<void> {
    if (this.#happens("ingress-again")) this.ingressProcess++;
  }

  restartIngress(): Promise<void> {
    return this.reloadIngress();
  }

  #happens(fault: FaultName): boolean {
    return this.sabotaged !== fault;
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
  logFile: "/dev/null",
};

function worldOf(report: object = {}, outcomes: object = { acknowledged: 10 }, running = true) {
  const target = new FakeTarget();
  const world = new World(target as unknown as Target, new StoryTeller("a world that may lie"));
  world.loadSinceMs = SENDING_SINCE_MS;
  world.load = {
    running,
    sentFile: "/dev/null",
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

const SENT_AGAIN = "what the fault took from the gateway's connections was sent again";
async function afterALoss(counted: { sent: number; again: number }): Promise<void> {
  const { world, target } = worldOf();
  Object.assign(target.counted, counted);
  await step(world, "{uplinks} lose(s) {float} % of all packets", "fibre", 5);
  await world.healUplinks("fibre");
  await step(world, PROVEN);
  await step(world, SENT_AGAIN);
}

test("a loss that no connection has felt is seen", async () => {
  await afterALoss({ sent: 1000, again: 30 });
  await expect(afterALoss({ sent: 1000, again: 4 })).rejects.toThrow(NEVER_HAPPENED);
  await expect(afterALoss({ sent: 0, again: 0 })).rejects.toThrow(NEVER_HAPPENED);
});

const ANSWERED = "every frame is answered 2.04 and is in the ledger exactly once";
test("a frame with another answer is seen", async () => {
  await step(worldOf().world, ANSWERED);
  await expect(step(worldOf({}, { acknowledged: 9, refused: 1 }).world, ANSWERED)).rejects.toThrow(/something else/);
});

/** Every step that breaks something, with values that it may have. */
const BREAKING: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  "{uplinks} is/are cut": [["fibre"], ["every uplink"]],
  "{uplinks} lose(s) everything on the way {direction}": [["fibre", "to-collector"]],
  "{uplinks} swallow(s) TCP and UDP but answer(s) pings": [["fibre"]],
  "{uplinks} lose(s) {float} % of all packets": [
    ["fibre", 5],
    ["every uplink", 5],
  ],
  "{uplinks} lose(s) {float} % of all TCP packets": [["fibre", 60]],
  "the MTU of {uplinks} falls to {int} bytes": [["every uplink", 1280]],
  "round trips over {uplinks} take {int} ms longer": [["fibre", 300]],
  "round trips over {uplinks} take {int} ms longer, give or take {int} ms": [["fibre", 300, 300]],
  "the gateway's interface to {uplinks} is switched off": [["fibre"]],
  "the gateway's cable to {uplinks} is pulled": [["fibre"]],
  "the provider of {uplinks} hands out a new prefix and deprecates the old one": [["fibre"]],
  "the provider of {uplinks} withdraws the old prefix": [["fibre"]],
  "{uplinks} loses its address": [["fibre"]],
  "the collector {end}": [["is killed"], ["stops in good order"]],
  "the gateway is killed and starts again {int} times": [[2]],
  "the BFD speaker is killed": [[]],
  "nginx {again}": [["reload"], ["restart"]],
  "the active uplink is cut {int} times, each time until another one has taken over": [[1]],
};

afterEach(() => vi.useRealTimers());

/** What a step says in the end, however long it waits for it. */
async function inTheEnd(said: Promise<void>): Promise<unknown> {
  const end = said.then(
    () => "nothing",
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(LONGEST_WAIT_MS);
  return end;
}
const LONGEST_WAIT_MS = 120_000;

const FAULTS = ALL_STEPS.flatMap(({ words, faults = [] }) =>
  faults.map((fault) => [words, fault as FaultName] as const),
);
test.each(FAULTS)('"%s" notices that %s never happened', async (words, fault) => {
  vi.useFakeTimers();
  for (const values of BREAKING[words]!) {
    const real = worldOf();
    expect(await inTheEnd(step(real.world, words, ...values))).toBe("nothing");
    const pretended = worldOf();
    pretended.target.sabotaged = fault;
    expect(String(await inTheEnd(step(pretended.world, words, ...values)))).toMatch(NEVER_HAPPENED);
  }
});

test("a step that breaks something says what", () => {
  expect(Object.keys(BREAKING).toSorted()).toEqual([...new Set(FAULTS.map(([words]) => words))].toSorted());
});

test("a fault of which the target knows nothing at the end is no fault", async () => {
  const { world, target } = worldOf();
  await step(world, "{uplinks} is/are cut", "fibre");
  target.touched = 0;
  await expect(step(world, PROVEN)).rejects.toThrow(NEVER_HAPPENED);
});
