import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Liveness, PathConfig } from "./path-config.ts";
import { billingMonthStart, nextBillingMonth } from "./metered-budget.ts";
import { decidePaths, pathVerdicts } from "./path-policy.ts";
import {
  initialPaths,
  PATH_SETTINGS,
  STANDINGS,
  type PathFact,
  type PathsState,
  type PathSwitch,
} from "./path-state.ts";

const endpoint = "https://[::1]:8443";
const FIBRE: PathConfig = { name: "fibre", endpoint, preference: 100, riskGroups: ["duct"] };
const RADIO: PathConfig = { name: "radio", endpoint, preference: 60, riskGroups: ["duct"] };
const LTE: PathConfig = { name: "lte", endpoint, preference: 10, riskGroups: ["mast"] };
const SETTINGS = { ...PATH_SETTINGS, holdDownMs: 10_000 };
const NOON = Date.UTC(2025, 4, 10, 12);

/** Drives the policy by hand in virtual time. */
class Driver {
  nowMs = 1000;
  wallShiftMs = 0;
  readonly switches: (PathSwitch & { atMs: number })[] = [];
  state: PathsState;
  readonly settings: typeof SETTINGS;

  constructor(configs: readonly PathConfig[], settings = SETTINGS) {
    this.state = initialPaths(configs);
    this.settings = settings;
  }

  tell(...facts: readonly PathFact[]): this {
    for (const fact of facts) {
      const step = decidePaths(
        this.state,
        fact,
        { nowMs: this.nowMs, wallMs: NOON + this.wallShiftMs + this.nowMs },
        this.settings,
      );
      this.state = step.state;
      if (step.switched !== undefined) this.switches.push({ ...step.switched, atMs: this.nowMs });
    }
    return this;
  }

  open(...paths: readonly string[]): this {
    return this.tell(...paths.map((path) => ({ kind: "session-open", path }) as const));
  }

  live(path: string, liveness: Liveness, detectedInMs?: number): this {
    const detail = detectedInMs === undefined ? {} : { detectedInMs };
    return this.tell({ kind: "liveness", path, liveness, why: "control time expired", ...detail });
  }

  /** Lets time pass, waking the policy whenever it asked for it. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    while (this.state.wakeAtMs !== undefined && this.state.wakeAtMs <= endMs) {
      this.nowMs = this.state.wakeAtMs;
      this.tell({ kind: "time" });
    }
    this.nowMs = endMs;
    return this.tell({ kind: "time" });
  }

  why(path: string): string {
    const now = { nowMs: this.nowMs, wallMs: NOON + this.nowMs };
    return pathVerdicts(this.state, now, this.settings).find((verdict) => verdict.name === path)!.why;
  }
}

describe("failover", () => {
  test("at start the best path takes over as soon as its session is there", () => {
    const driver = new Driver([LTE, FIBRE]).open("lte");
    expect(driver.state.active).toBe("lte");
    expect(driver.open("fibre").state.active).toBe("fibre");
  });

  test("a path that goes down is left at once, for the standby that shares no risk with it", () => {
    const driver = new Driver([FIBRE, RADIO, LTE]).open("fibre", "radio", "lte");
    expect(driver.state.standby).toBe("lte");
    driver.pass(60_000).live("fibre", "up").live("fibre", "down", 152);
    expect(driver.switches.at(-1)).toEqual({
      from: "fibre",
      to: "lte",
      why: "fibre: down, control time expired",
      detectedInMs: 152,
      atMs: 61_000,
    });
    expect(driver.state.standby).toBe("radio");
    // By preference it goes on to the radio link, but only after the hold-down.
    driver.pass(9_999);
    expect(driver.state.active).toBe("lte");
    expect(driver.pass(1).state.active).toBe("radio");
  });

  test("a path that comes back takes over after the hold-down, counted anew when it falls again", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte").live("fibre", "down");
    driver.pass(1000).live("fibre", "up").pass(6000).live("fibre", "down").live("fibre", "up");
    driver.pass(9_999);
    expect(driver.state.active).toBe("lte");
    driver.pass(1);
    expect(driver.state.active).toBe("fibre");
    expect(driver.switches.at(-1)!.why).toBe("it is preferred and was sound for 10.0 s");
  });

  test("a lost session is a failure too, and says why", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte");
    driver.tell({ kind: "session-lost", path: "fibre", why: "read ECONNRESET", harmless: false });
    expect(driver.switches.at(-1)).toMatchObject({
      from: "fibre",
      to: "lte",
      why: "fibre: no session, read ECONNRESET",
    });
  });

  test("the last path is kept although its watcher calls it down", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre").live("fibre", "down");
    expect(driver.state.active).toBe("fibre");
    expect(driver.why("fibre")).toContain("its session is still open");
    expect(driver.open("lte").state.active).toBe("lte");
  });
});

describe("receipts as second opinion", () => {
  test("a watcher that dies moves nothing", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte").live("fibre", "up").live("lte", "up");
    driver.tell({ kind: "answer", path: "fibre", receipt: true }).live("fibre", "unknown").pass(60_000);
    expect(driver.state.active).toBe("fibre");
    driver.tell({ kind: "answer", path: "fibre", receipt: true });
    expect(driver.why("fibre")).toContain("receipts arrive");
  });

  test("a path that is up but loses requests is left, and comes back after its time", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte").live("fibre", "up");
    driver.tell({ kind: "request-failed", path: "fibre", why: "no answer" });
    driver.tell({ kind: "answer", path: "fibre", receipt: true });
    driver.tell({ kind: "request-failed", path: "fibre", why: "no answer" });
    expect(driver.state.active).toBe("fibre");
    driver.tell({ kind: "request-failed", path: "fibre", why: "no answer" });
    expect(driver.state.active).toBe("lte");
    expect(driver.why("fibre")).toContain("alive but losing, 2 requests in a row failed: no answer");
    driver.pass(39_999);
    expect(driver.state.active).toBe("lte");
    expect(driver.pass(1).state.active).toBe("fibre");
  });
});

test("a path that nobody has called up says what speaks for it, and what its watcher says", () => {
  const driver = new Driver([FIBRE, LTE]).open("fibre", "lte");
  expect(driver.why("lte")).toBe("session open and ready (not watched)");
  driver.tell({ kind: "liveness", path: "lte", liveness: "unknown", why: "not seen by BFD yet" });
  expect(driver.why("lte")).toBe("session open and ready (not seen by BFD yet)");
  driver.tell({ kind: "answer", path: "lte", receipt: true });
  expect(driver.why("lte")).toBe("receipts arrive (not seen by BFD yet)");
  driver.pass(SETTINGS.receiptFreshMs + 1);
  expect(driver.why("lte")).toBe("session open and ready (not seen by BFD yet)");
  expect(driver.live("lte", "up").why("lte")).toBe("up");
});

test("a path whose watcher loses packets is left, once, until it stops losing", () => {
  const driver = new Driver([FIBRE, LTE]).open("fibre", "lte").live("fibre", "up").live("lte", "up");
  driver.tell({ kind: "loss", path: "fibre", share: 0.19 });
  expect(driver.state.active).toBe("fibre");
  driver.tell({ kind: "loss", path: "fibre", share: 0.34 });
  expect(driver.switches.at(-1)).toMatchObject({ from: "fibre", to: "lte" });
  expect(driver.why("fibre")).toContain("alive but losing, 34 % of the packets that watch it are lost");
  for (let report = 0; report < 6; report++) driver.pass(10_000).tell({ kind: "loss", path: "fibre", share: 0.3 });
  expect(driver.state.active).toBe("lte");
  driver.tell({ kind: "loss", path: "fibre", share: 0 }).pass(39_999);
  expect(driver.state.active).toBe("lte");
  expect(driver.pass(1).state.active).toBe("fibre");
});

test("the verdict says for how long a path is held back, and why", () => {
  const driver = new Driver([FIBRE, LTE]).open("fibre", "lte").live("fibre", "down").pass(1000).live("fibre", "up");
  const verdict = (name: string) =>
    pathVerdicts(driver.state, { nowMs: driver.nowMs, wallMs: NOON }, SETTINGS).find((each) => each.name === name)!;
  expect(verdict("fibre")).toMatchObject({ holdDownMs: 10_000, suppressedMs: undefined });
  expect(verdict("lte").holdDownMs).toBeUndefined();
  driver.pass(4000);
  expect(verdict("fibre").holdDownMs).toBe(6000);
  for (let flap = 0; flap < 3; flap++) driver.live("fibre", "down").live("fibre", "up");
  expect(verdict("fibre").suppressedMs).toBeGreaterThan(300_000);
});

describe("flap damping", () => {
  test("a path that keeps failing is held back until its penalty has decayed", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte");
    for (let flap = 0; flap < 3; flap++) driver.live("fibre", "up").pass(15_000).live("fibre", "down").pass(1000);
    driver.live("fibre", "up").pass(60_000);
    expect(driver.state.standings.get("fibre")).toBe("suppressed");
    expect(driver.state.active).toBe("lte");
    expect(driver.why("fibre")).toMatch(/held back for \d/);
    driver.pass(600_000);
    expect(driver.state.active).toBe("fibre");
  });

  test("a session that falls with its path is one failure, not two: two outages do not suppress", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte");
    const outage = (): void => {
      // Told twice, it is still one failure.
      driver.live("fibre", "down").live("fibre", "down");
      driver.tell({ kind: "session-lost", path: "fibre", why: "read ETIMEDOUT", harmless: false });
      driver.live("fibre", "up").open("fibre");
    };
    const isSuppressed = () => driver.state.paths.find(({ config }) => config.name === "fibre")!.flaps.suppressed;
    outage();
    outage();
    expect(isSuppressed()).toBe(false);
    outage();
    expect(isSuppressed()).toBe(true);
  });

  test("but it is used when nothing else works", () => {
    const driver = new Driver([FIBRE, LTE]).open("fibre", "lte");
    for (let flap = 0; flap < 4; flap++) driver.live("fibre", "down").live("fibre", "up");
    driver.tell({ kind: "session-lost", path: "lte", why: "gone", harmless: false });
    expect(driver.state.active).toBe("fibre");
  });
});

describe("metered paths", () => {
  const metered = { bytesPerMonth: 1000, billingDay: 12, lanes: [0, 1] as const };
  const SIM: PathConfig = { name: "sim", endpoint, preference: 50, metered };

  test("lanes are admitted by plan, alarms always, and the billing day brings the budget back", () => {
    const driver = new Driver([SIM]).open("sim");
    const lanes = () => pathVerdicts(driver.state, { nowMs: driver.nowMs, wallMs: NOON }, SETTINGS)[0]!.lanes;
    expect(lanes()).toEqual([0, 1]);
    driver.tell({ kind: "used", path: "sim", bytes: 1001 });
    expect(lanes()).toEqual([0]);
    expect(driver.why("sim")).toContain("budget is used up");
    driver.pass(36 * 3_600_000);
    expect(lanes()).toEqual([0, 1]);
  });

  test("the next month begins on the billing day, over the end of a year too", () => {
    expect(nextBillingMonth(Date.UTC(2025, 2, 12))).toBe(Date.UTC(2025, 3, 12));
    expect(nextBillingMonth(Date.UTC(2025, 11, 28))).toBe(Date.UTC(2026, 0, 28));
  });

  test("a used-up path gives way to a worse one that costs nothing", () => {
    const driver = new Driver([SIM, LTE]).open("sim", "lte").pass(20_000);
    driver.tell({ kind: "used", path: "sim", bytes: 1001 });
    expect(driver.state.active).toBe("lte");
  });

  test("a billing month begins on its day, UTC, and a clock that goes back does not give the budget back", () => {
    expect(billingMonthStart(Date.UTC(2025, 2, 12), 12)).toBe(Date.UTC(2025, 2, 12));
    expect(billingMonthStart(Date.UTC(2025, 0, 3), 12)).toBe(Date.UTC(2024, 11, 12));
    const driver = new Driver([SIM]).open("sim").tell({ kind: "used", path: "sim", bytes: 600 });
    driver.wallShiftMs = -90 * 86_400_000;
    driver.tell({ kind: "used", path: "sim", bytes: 600 });
    expect(driver.state.standings.get("sim")).toBe("over-budget");
  });
});

test("alarms go over two paths only when these are disjoint", () => {
  const settings = { ...SETTINGS, alarmTwice: true };
  expect(new Driver([FIBRE, RADIO], settings).open("fibre", "radio").state.alarmAlso).toBeUndefined();
  expect(new Driver([FIBRE, LTE], settings).open("fibre", "lte").state.alarmAlso).toBe("lte");
});

describe("whatever happens", () => {
  const names = ["fibre", "radio", "lte"];
  const path = fc.constantFrom(...names);
  const fact: fc.Arbitrary<PathFact> = fc.oneof(
    fc.record({
      kind: fc.constant("liveness" as const),
      path,
      liveness: fc.constantFrom<Liveness>("up", "down", "unknown"),
      why: fc.constant("told"),
    }),
    fc.record({ kind: fc.constant("session-open" as const), path }),
    fc.record({ kind: fc.constant("session-lost" as const), path, why: fc.constant("told"), harmless: fc.boolean() }),
    fc.record({ kind: fc.constant("answer" as const), path, receipt: fc.boolean() }),
    fc.record({ kind: fc.constant("request-failed" as const), path, why: fc.constant("told") }),
    fc.record({ kind: fc.constant("stalled" as const), path, why: fc.constant("told") }),
  );
  const history = fc.array(fc.tuple(fact, fc.integer({ min: 0, max: 20_000 })), { maxLength: 120 });

  test("a path that works is never passed over for one that does not", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const driver = new Driver([FIBRE, RADIO, LTE]);
        for (const [next, ms] of steps) {
          driver.tell(next);
          const ranks = names.map((name) => STANDINGS.indexOf(driver.state.standings.get(name)!));
          const active = driver.state.active;
          const best = Math.min(...ranks);
          if (best === STANDINGS.indexOf("unusable")) expect(active).toBeUndefined();
          else if (best < STANDINGS.indexOf("brown-out")) {
            expect(STANDINGS.indexOf(driver.state.standings.get(active!)!)).toBeLessThan(
              STANDINGS.indexOf("brown-out"),
            );
          } else expect(STANDINGS.indexOf(driver.state.standings.get(active!)!)).toBe(best);
          driver.pass(ms);
        }
      }),
    );
  });

  test("a path that works is left for a better one only after the hold-down, and every switch has a reason", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const driver = new Driver([FIBRE, RADIO, LTE]);
        for (const [next, ms] of steps) {
          for (const act of [() => driver.tell(next), () => driver.pass(ms)]) {
            const before = driver.state;
            const known = driver.switches.length;
            act();
            const [first] = driver.switches.slice(known);
            if (first === undefined) continue;
            expect(first.why.length).toBeGreaterThan(5);
            const failedBefore = before.paths.some((candidate) => candidate.flaps.penalty > 0);
            if (first.why.includes("was sound for") && failedBefore)
              expect(first.atMs - before.activeSinceMs).toBeGreaterThanOrEqual(SETTINGS.holdDownMs);
          }
        }
      }),
    );
  });

  test("time alone changes nothing before the time that the policy named", () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 0, max: 600_000 }), (steps, later) => {
        const driver = new Driver([FIBRE, RADIO, LTE]);
        for (const [next, ms] of steps) driver.tell(next).pass(ms);
        const { wakeAtMs, active } = driver.state;
        const nowMs = Math.min(driver.nowMs + later, (wakeAtMs ?? Number.POSITIVE_INFINITY) - 1);
        if (nowMs < driver.nowMs) return;
        const step = decidePaths(driver.state, { kind: "time" }, { nowMs, wallMs: NOON }, SETTINGS);
        expect(step.switched).toBeUndefined();
        expect(step.state.active).toBe(active);
      }),
    );
  });
});
