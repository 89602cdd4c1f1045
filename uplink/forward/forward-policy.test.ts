import { contains, countOf } from "@paddock/base/ranges.ts";
import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import type { ForwardReport } from "./forward-state.ts";
import type { PathConfig } from "../paths/path-config.ts";
import { PolicySimulation } from "./testing/policy-simulation.ts";

const endpoint = "https://[::1]:8443";
const FIBRE: PathConfig = { name: "fibre", endpoint, preference: 100 };
const LTE: PathConfig = { name: "lte", endpoint, preference: 10 };

type Event<Name extends ForwardReport["event"]> = Extract<ForwardReport, { event: Name }> & { readonly atMs: number };

function reportsOf<Name extends ForwardReport["event"]>(simulation: PolicySimulation, event: Name): Event<Name>[] {
  return simulation.reports.filter((report) => report.event === event) as Event<Name>[];
}

function sendsOf(simulation: PolicySimulation) {
  return simulation.actions.filter((action) => action.kind === "send");
}

/** Requests of a second in which a small batch is sealed every millisecond, over a short path. */
function sendsIn(lane: 0 | 1): number {
  const simulation = new PolicySimulation([FIBRE]);
  simulation.paths.get("fibre")!.delayMs = 1;
  simulation.start().pass(1000);
  const before = sendsOf(simulation).length;
  for (let ms = 0; ms < 1000; ms++) simulation.seal(lane).pass(1);
  const sends = sendsOf(simulation).length - before;
  simulation.pass(100);
  expect(simulation.pending()).toBe(0);
  return sends;
}

describe("sending", () => {
  test("an idle path sends at once; what is sealed meanwhile goes out together", () => {
    const simulation = new PolicySimulation([FIBRE]).start().pass(100);
    const before = simulation.actions.length;
    for (let batch = 0; batch < 5; batch++) simulation.seal(1);
    const sent = () => simulation.actions.slice(before).filter((action) => action.kind === "send");
    expect(sent()).toMatchObject([{ first: 0, last: 0, atMs: simulation.nowMs }]);
    simulation.pass(50);
    expect(sent()).toMatchObject([{ last: 0 }, { first: 1, last: 4 }]);
    expect(simulation.pending()).toBe(0);
  });

  test("after a connect the collector is asked once for each chain with backlog, and what it holds is not sent", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).store(1, 50).store(2, 10);
    simulation.chain(1).kept = [[0, 39]];
    simulation.start().pass(1000);
    const queries = simulation.actions.filter((action) => action.kind === "query");
    expect(queries.map((query) => query.lane)).toEqual([1, 2]);
    expect(simulation.pending()).toBe(0);
    expect(simulation.repeated).toBe(0);
    expect(simulation.actions.find((action) => action.kind === "send" && action.lane === 1)).toMatchObject({
      first: 40,
    });
  });

  test("after a time without any path the collector is asked again, as receipts may have been lost", () => {
    const simulation = new PolicySimulation([FIBRE]).store(1, 4000);
    simulation.start().pass(60);
    const flying = [...simulation.state.flights.values()].filter((flight) => flight.stage === "sent");
    expect(flying.length).toBeGreaterThan(0);
    // The collector has kept them when the path breaks; the receipts do not come through.
    simulation.chain(1).kept = [[0, Math.max(...flying.map((flight) => flight.last))]];
    simulation.cut("fibre", "cut");
    simulation.pass(1000);
    simulation.paths.get("fibre")!.condition = "works";
    simulation.pass(60_000);
    expect(simulation.pending()).toBe(0);
    expect(simulation.repeated).toBe(0);
    expect(simulation.actions.filter((action) => action.kind === "query")).toHaveLength(2);
  });

  test("on a long path more than one small request is in flight", () => {
    const simulation = new PolicySimulation([FIBRE]);
    simulation.paths.get("fibre")!.delayMs = 90;
    simulation.start().pass(1000);
    let most = 0;
    for (let batch = 0; batch < 200; batch++) {
      simulation.seal(1).pass(5);
      most = Math.max(most, [...simulation.state.flights.values()].filter((flight) => flight.stage === "sent").length);
    }
    // One of the 16 is kept for alarms.
    expect(most).toBe(15);
    simulation.paths.get("fibre")!.delayMs = 4;
    for (let batch = 0; batch < 1000; batch++) simulation.seal(1).pass(5);
    most = 0;
    for (let batch = 0; batch < 200; batch++) {
      simulation.seal(1).pass(1);
      most = Math.max(most, [...simulation.state.flights.values()].filter((flight) => flight.stage === "sent").length);
    }
    expect(most).toBe(1);
  });

  test("at full load over a short path requests leave at a steady pace, but for alarms", () => {
    // One every 20 ms, and sooner only with half of what a request may carry.
    expect(sendsIn(1)).toBeLessThanOrEqual(60);
    expect(sendsIn(0)).toBeGreaterThan(200);
  });

  test("live batches do not wait for the answer, nor behind the backlog", () => {
    const simulation = new PolicySimulation([FIBRE]).store(1, 5000);
    simulation.start().pass(21).seal(1);
    expect(sendsOf(simulation).at(-1)).toMatchObject({ first: 5000, last: 5000 });
    let slowest = 0;
    while (!contains(simulation.chain(1).acknowledged, 4999) && simulation.nowMs < 60_000) {
      const sealedMs = simulation.nowMs;
      const seq = simulation.chain(1).sealed;
      simulation.seal(1);
      while (countOf(simulation.chain(1).kept.filter(([, last]) => last >= seq)) === 0) simulation.pass(1);
      slowest = Math.max(slowest, simulation.nowMs - sealedMs);
    }
    simulation.pass(100);
    expect(simulation.pending()).toBe(0);
    expect(slowest).toBeLessThan(100);
  });

  test("oldest-first sends in the order of the chain", () => {
    const simulation = new PolicySimulation([FIBRE], { settings: { order: "oldest-first" } }).store(1, 500);
    simulation.start().pass(30);
    simulation.seal(1).pass(2000);
    const firsts = simulation.actions.filter((action) => action.kind === "send").map((action) => action.first);
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
    expect(simulation.pending()).toBe(0);
  });

  test("lanes that a metered path does not take go over the next one", () => {
    const metered = { bytesPerMonth: 1e9, billingDay: 1, lanes: [0, 1] as const };
    const simulation = new PolicySimulation([{ ...FIBRE, metered }, LTE]).start().pass(100);
    simulation.seal(0).seal(1).seal(2).pass(100);
    expect(sendsOf(simulation).map(({ lane, path }) => [lane, path])).toEqual([
      [0, "fibre"],
      [1, "fibre"],
      [2, "lte"],
    ]);
    expect(simulation.pending()).toBe(0);
  });

  test("and over one that is held back for its failures, as nobody else takes them", () => {
    const metered = { bytesPerMonth: 1e9, billingDay: 1, lanes: [0, 1] as const };
    const simulation = new PolicySimulation([{ ...FIBRE, metered }, LTE]).start().pass(100);
    for (let flap = 0; flap < 3; flap++) {
      simulation.liveness("lte", "up").pass(20_000);
      simulation.liveness("lte", "down").pass(1000);
    }
    simulation.liveness("lte", "up").pass(5000);
    expect(simulation.state.paths.standings.get("lte")).toBe("suppressed");
    simulation.seal(2).pass(100);
    expect(sendsOf(simulation).map(({ lane, path }) => [lane, path])).toEqual([[2, "lte"]]);
    expect(simulation.pending()).toBe(0);
  });

  test("and over any path that takes them, when neither the first nor the standby has budget left", () => {
    const metered = { bytesPerMonth: 0, billingDay: 1, lanes: [0, 1, 2] as const };
    const radio: PathConfig = { name: "radio", endpoint, preference: 5, metered };
    const simulation = new PolicySimulation([FIBRE, { ...LTE, metered }, radio]).start().pass(100);
    for (let flap = 0; flap < 3; flap++) {
      simulation.liveness("fibre", "up").pass(20_000);
      simulation.liveness("fibre", "down").pass(1000);
    }
    simulation.liveness("fibre", "up").pass(5000);
    expect(simulation.state.paths).toMatchObject({ active: "lte", standby: "radio" });
    expect(simulation.state.paths.standings.get("fibre")).toBe("suppressed");
    const before = sendsOf(simulation).length;
    simulation.seal(0).seal(1).seal(2).pass(100);
    expect(
      sendsOf(simulation)
        .slice(before)
        .map(({ lane, path }) => [lane, path]),
    ).toEqual([
      [0, "lte"],
      [1, "fibre"],
      [2, "fibre"],
    ]);
    expect(simulation.pending()).toBe(0);
  });

  test("an alarm does not wait for the hold-down of a path that fails often, while a used-up one is well", () => {
    const metered = { bytesPerMonth: 0, billingDay: 1, lanes: [0, 1, 2] as const };
    const simulation = new PolicySimulation([FIBRE, { ...LTE, metered }]).start().pass(100);
    for (let flap = 0; flap < 3; flap++) {
      simulation.liveness("fibre", "up").pass(20_000);
      simulation.liveness("fibre", "down").pass(1000);
    }
    // Whenever the fibre works it carries what the used-up path does not take, at once.
    for (let flap = 0; flap < 3; flap++) {
      simulation.liveness("fibre", "up").pass(5000);
      const before = sendsOf(simulation).length;
      simulation.seal(0).seal(1).seal(2).pass(100);
      const sent = sendsOf(simulation).slice(before);
      expect(sent.map(({ lane, path }) => [lane, path])).toEqual([
        [0, "lte"],
        [1, "fibre"],
        [2, "fibre"],
      ]);
      simulation.liveness("fibre", "down").pass(1000);
    }
    expect(simulation.pending()).toBe(0);
  });

  test("batches that cannot be read are passed over, reported once, and tried again later", () => {
    const simulation = new PolicySimulation([FIBRE]).store(1, 100);
    simulation.unreadable = (_chain, seq) => seq >= 30 && seq < 33;
    simulation.start().pass(10_000);
    simulation.seal(1).pass(1000);
    expect(simulation.chain(1).acknowledged).toEqual([
      [0, 29],
      [33, 100],
    ]);
    expect(reportsOf(simulation, "batch-unreadable")).toMatchObject([{ lane: 1, seq: 30 }]);
    simulation.unreadable = () => false;
    simulation.pass(60_000);
    expect(simulation.pending()).toBe(0);
  });

  test("an alarm goes over two disjoint paths at once", () => {
    const settings = { paths: { ...new PolicySimulation([FIBRE]).settings.paths, alarmTwice: true } };
    const simulation = new PolicySimulation([FIBRE, LTE], { settings }).start().pass(100);
    simulation.seal(0);
    expect(sendsOf(simulation)).toMatchObject([
      { path: "fibre", first: 0 },
      { path: "lte", first: 0 },
    ]);
    simulation.seal(1);
    expect(sendsOf(simulation).slice(2)).toMatchObject([{ path: "fibre", lane: 1 }]);
    simulation.pass(100);
    expect(simulation.pending()).toBe(0);
    expect(simulation.state.flights.size).toBe(0);
  });

  test("with two paths for alarms, none waits for what is stuck on one of them", () => {
    const settings = { paths: { ...new PolicySimulation([FIBRE]).settings.paths, alarmTwice: true } };
    const simulation = new PolicySimulation([FIBRE, LTE], { settings }).start().pass(100);
    simulation.paths.get("fibre")!.condition = "hole";
    for (let batch = 0; batch < 20; batch++) {
      simulation.seal(1);
      simulation.seal(0);
      simulation.pass(100);
      expect(simulation.pending(0), `batch ${batch}`).toBe(0);
      if (batch === 5) expect(simulation.pending()).toBeGreaterThan(0);
    }
  });
});

describe("failover", () => {
  test("what was in flight on a path that goes down is sent on the next at the same moment", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).store(1, 20_000);
    simulation.paths.get("fibre")!.delayMs = 50;
    simulation.start().pass(500);
    const flying = [...simulation.state.flights.values()].filter((flight) => flight.stage === "sent");
    expect(flying.length).toBeGreaterThan(1);
    simulation.paths.get("fibre")!.condition = "hole";
    simulation.liveness("fibre", "up");
    const before = sendsOf(simulation).length;
    simulation.tell({
      kind: "liveness",
      path: "fibre",
      liveness: "down",
      why: "control time expired",
      detectedInMs: 150,
    });
    expect(sendsOf(simulation)[before]).toMatchObject({
      path: "lte",
      first: Math.min(...flying.map((flight) => flight.first)),
    });
    expect(reportsOf(simulation, "path-switch").at(-1)).toMatchObject({
      from: "fibre",
      to: "lte",
      detectedInMs: 150,
      framesResent: flying.reduce((sum, flight) => sum + flight.records, 0),
    });
    simulation.pass(5000);
    expect(simulation.pending()).toBe(0);
  });

  test("the path that traffic moves to gets one small request; the rest follows its receipt, and alarms do not wait", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).store(1, 20_000);
    for (const path of simulation.paths.values()) path.delayMs = 50;
    simulation.start().pass(500);
    const before = sendsOf(simulation).length;
    simulation.liveness("fibre", "down").pass(1);
    const first = sendsOf(simulation).slice(before);
    expect(first).toMatchObject([{ path: "lte", lane: 1, maxBytes: simulation.settings.requestBytesMin }]);
    simulation.seal(0).pass(20);
    expect(sendsOf(simulation).slice(before + 1)).toMatchObject([{ path: "lte", lane: 0 }]);
    simulation.pass(100);
    expect(sendsOf(simulation).length).toBeGreaterThan(before + 4);
    simulation.pass(20_000);
    expect(simulation.pending()).toBe(0);
  });

  test("requests that are reset together are one failure, and the path is not left for it", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).store(2, 5000);
    simulation.paths.get("fibre")!.delayMs = 200;
    simulation.start().pass(5000);
    for (let batch = 0; batch < 6; batch++) simulation.seal(0).seal(1).pass(30);
    const flying = () => [...simulation.state.flights.values()].filter(({ stage }) => stage === "sent");
    const reset = () => {
      for (const { id } of flying()) {
        simulation.tell({ kind: "failed", flight: id, failure: "unreachable", detail: "stream reset" }).pass(1);
      }
    };
    expect(flying().length).toBeGreaterThan(2);
    reset();
    expect(simulation.state.paths.active).toBe("fibre");
    expect(simulation.state.paths.paths[0]).toMatchObject({ failures: 1, flaps: { penalty: 0 } });
    // What went out after the first failure and fails as well is the second.
    simulation.pass(20);
    expect(flying().length).toBeGreaterThan(0);
    reset();
    expect(simulation.state.paths.active).toBe("lte");
  });

  test("a question that is reset with them is part of it", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).store(2, 10);
    for (const path of simulation.paths.values()) path.delayMs = 100;
    simulation.start().pass(210);
    expect(simulation.actions.some(({ kind }) => kind === "query")).toBe(true);
    simulation.seal(1).pass(10);
    const [flight] = simulation.state.flights.values();
    simulation.tell({ kind: "failed", flight: flight!.id, failure: "unreachable", detail: "stream reset" });
    const lost = { path: "fibre", lane: 2, epoch: 0, failure: "unreachable", detail: "stream reset" } as const;
    simulation.tell({ kind: "query-failed", ...lost });
    expect(simulation.state.paths.paths[0]).toMatchObject({ failures: 1 });
    expect(simulation.state.paths.active).toBe("fibre");
  });

  test("a path that comes up is tried at once, whatever its back-off", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(100);
    simulation.liveness("fibre", "up").cut("fibre", "hole");
    simulation.liveness("fibre", "down").pass(300_000);
    // Even an attempt that is under way is given up for a fresh one.
    while (simulation.state.sessions.get("fibre")!.status !== "opening") simulation.pass(100);
    simulation.paths.get("fibre")!.condition = "works";
    const before = simulation.actions.length;
    simulation.liveness("fibre", "up");
    expect(simulation.actions.slice(before)).toContainEqual({
      kind: "open",
      path: "fibre",
      hurry: false,
      atMs: simulation.nowMs,
    });
    simulation.pass(11_000);
    expect(simulation.state.paths.active).toBe("fibre");
  });

  test("what the watcher of a path that it never found up says is known, and moves nothing", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(100);
    const before = simulation.actions.length;
    simulation.tell({ kind: "liveness", path: "fibre", liveness: "unknown", why: "not seen by BFD yet" });
    const [fibre] = simulation.state.paths.paths;
    expect(fibre).toMatchObject({ liveness: "unknown", livenessWhy: "not seen by BFD yet", sessionOpen: true });
    expect(simulation.actions.slice(before)).toEqual([]);
  });

  test("a session that keeps falling is opened ever more slowly", () => {
    const simulation = new PolicySimulation([FIBRE]);
    simulation.cut("fibre", "cut");
    simulation.start().pass(600_000);
    const opens = simulation.actions.filter((action) => action.kind === "open");
    expect(opens.length).toBeGreaterThan(20);
    expect(opens.length).toBeLessThan(60);
    const gaps = opens.slice(1).map((open, index) => open.atMs - opens[index]!.atMs);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(125);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(31_000);
  });
});

describe("answers of the collector", () => {
  test("busy holds everything, on every path, for as long as it asked", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(100);
    simulation.refusal = () => ({ failure: "busy", retryAfterMs: 7000 });
    simulation.seal(1).pass(20);
    simulation.refusal = () => undefined;
    expect(reportsOf(simulation, "collector-busy")).toMatchObject([{ retryInMs: 7000 }]);
    const from = simulation.nowMs;
    simulation.seal(0).seal(1);
    simulation.liveness("fibre", "down").pass(6900);
    expect(simulation.actions.filter((action) => action.kind === "send" && action.atMs >= from)).toEqual([]);
    simulation.pass(200);
    expect(simulation.pending()).toBe(0);
  });

  test("a fork stops its chain with one report and a slow retry; the other chains go on", () => {
    const simulation = new PolicySimulation([FIBRE]).start().pass(100);
    simulation.refusal = ({ lane }) => (lane === 1 ? { failure: "fork" } : undefined);
    for (let second = 0; second < 60; second++) simulation.seal(1).seal(2).pass(1000);
    expect(simulation.chain(2).acknowledged).toEqual([[0, 59]]);
    const stops = reportsOf(simulation, "chain-stopped");
    expect(stops.length).toBeGreaterThan(0);
    expect(stops.length).toBeLessThan(5);
    expect(stops[0]).toMatchObject({ lane: 1, failure: "fork" });
    expect(stops[0]!.retryInMs).toBeGreaterThanOrEqual(15_000);
    simulation.refusal = () => undefined;
    simulation.pass(900_000);
    expect(reportsOf(simulation, "chain-resumed")).toHaveLength(1);
    expect(simulation.pending()).toBe(0);
  });

  test("a stopped chain is tried ever more slowly, and from the start again once it went on", () => {
    const { chainRetry } = new PolicySimulation([FIBRE]).settings;
    const simulation = new PolicySimulation([FIBRE]).start().pass(100);
    simulation.refusal = () => ({ failure: "fork" });
    simulation.seal(1).pass(1_800_000);
    const stops = () => reportsOf(simulation, "chain-stopped").map(({ retryInMs }) => retryInMs);
    const before = stops();
    expect(before.length).toBeGreaterThan(3);
    expect(before.at(-1)).toBeGreaterThan(4 * chainRetry.firstMs);
    simulation.refusal = () => undefined;
    simulation.pass(chainRetry.capMs);
    expect(simulation.pending()).toBe(0);
    simulation.refusal = () => ({ failure: "fork" });
    simulation.seal(1).pass(100);
    expect(stops()).toHaveLength(before.length + 1);
    expect(stops().at(-1)).toBeLessThanOrEqual(chainRetry.firstMs);
  });

  test("a stopped chain is not asked about either, also after its path was away", () => {
    const simulation = new PolicySimulation([FIBRE]).start().pass(100);
    simulation.refusal = ({ lane }) => (lane === 1 ? { failure: "fork" } : undefined);
    simulation.seal(1).seal(2).pass(100);
    const [stop] = reportsOf(simulation, "chain-stopped");
    const from = simulation.actions.length;
    simulation.cut("fibre", "cut");
    // Longer than what is sealed counts as live.
    simulation.pass(5000);
    simulation.paths.get("fibre")!.condition = "works";
    simulation.seal(2).pass(stop!.retryInMs - 6000);
    const about = () => simulation.actions.slice(from).filter(({ kind }) => kind === "query" || kind === "send");
    expect(about().length).toBeGreaterThan(0);
    expect(about().filter((action) => "lane" in action && action.lane === 1)).toEqual([]);
    simulation.pass(7000);
    expect(about().some((action) => "lane" in action && action.lane === 1)).toBe(true);
  });

  test("what was on its way when its chain stopped neither lets it go on nor hurries it", () => {
    const settings = { paths: { ...new PolicySimulation([FIBRE]).settings.paths, alarmTwice: true } };
    const simulation = new PolicySimulation([FIBRE, LTE], { settings }).start().pass(100);
    simulation.paths.get("lte")!.delayMs = 50;
    simulation.refusal = (_chain, path) => (path === "fibre" ? { failure: "fork" } : undefined);
    const { chainRetry } = simulation.settings;
    for (let alarm = 0; alarm < 5; alarm++) {
      simulation.seal(0).pass(1000);
      const { stoppedWhy } = [...simulation.state.chains.values()][0]!;
      expect({ alarm, stoppedWhy }).toEqual({ alarm, stoppedWhy: "told" });
      simulation.pass(chainRetry.capMs);
    }
    expect(reportsOf(simulation, "chain-resumed")).toEqual([]);
    const stops = reportsOf(simulation, "chain-stopped").map(({ retryInMs }) => retryInMs);
    expect(Math.max(...stops)).toBeGreaterThan(chainRetry.firstMs);
  });

  test("enrolment is asked for first, and then slowly until the operator's yes", () => {
    const simulation = new PolicySimulation([FIBRE], { enrols: true }).store(1, 3);
    simulation.enrolment = "pending";
    simulation.start().pass(3_600_000);
    const asks = simulation.actions.filter((action) => action.kind === "enrol").length;
    expect(asks).toBeGreaterThan(10);
    expect(asks).toBeLessThan(40);
    expect(simulation.actions.some((action) => action.kind === "send" || action.kind === "query")).toBe(false);
    expect(reportsOf(simulation, "enrolment")).toHaveLength(1);
    simulation.enrolment = "approved";
    simulation.pass(300_000);
    expect(simulation.pending()).toBe(0);
  });

  test("a collector of two minds about the enrolment is not asked in a circle", () => {
    const simulation = new PolicySimulation([FIBRE], { enrols: true }).store(1, 3);
    simulation.refusal = () => ({ failure: "not-enrolled" });
    simulation.start().pass(600_000);
    expect(simulation.actions.filter((action) => action.kind === "query").length).toBeLessThan(30);
    const assumed = new PolicySimulation([FIBRE]).store(1, 3);
    assumed.refusal = () => ({ failure: "not-enrolled" });
    assumed.start().pass(600_000);
    expect(assumed.actions.filter((action) => action.kind === "query").length).toBeLessThan(30);
  });

  test("a path that leads to somebody else is left and tried again slowly", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(100);
    simulation.refusal = (_chain, path) => (path === "fibre" ? { failure: "identity" } : undefined);
    simulation.seal(1).pass(200);
    expect(simulation.pending()).toBe(0);
    expect(simulation.state.paths.active).toBe("lte");
    const failed = reportsOf(simulation, "session-failed");
    expect(failed).toMatchObject([{ path: "fibre", failure: "identity" }]);
    expect(failed[0]!.retryInMs).toBeGreaterThanOrEqual(5000);
  });
});

describe("a session that the collector ends in order", () => {
  test("is followed by the next one at once, and nothing is held against its path", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).store(1, 2000);
    for (const path of simulation.paths.values()) path.delayMs = 40;
    simulation.start().pass(200);
    for (let round = 0; round < 20; round++) {
      for (let batch = 0; batch < 60; batch++) simulation.seal(1).pass(5);
      simulation.goAway("fibre", round % 4);
    }
    expect(reportsOf(simulation, "session-retiring")).toHaveLength(20);
    simulation.pass(20_000);
    expect(simulation.pending()).toBe(0);
    expect(reportsOf(simulation, "path-switch").map(({ to }) => to)).toEqual(["fibre"]);
    expect(reportsOf(simulation, "session-lost")).toEqual([]);
    expect(simulation.state.paths.paths[0]!.flaps.penalty).toBe(0);
    // What was under way was answered on the old session, so only what was not looked at went out again.
    expect(simulation.repeated).toBe(0);
  });

  test("sends nothing new, and what was not processed goes out with the next session", () => {
    const simulation = new PolicySimulation([FIBRE]).start().pass(1000);
    simulation.paths.get("fibre")!.delayMs = 100;
    simulation.seal(1).pass(10);
    const before = sendsOf(simulation).length;
    simulation.goAway("fibre", 1).seal(1).pass(150);
    expect(sendsOf(simulation).slice(before)).toEqual([]);
    simulation.pass(60);
    expect(sendsOf(simulation).slice(before)).toMatchObject([{ first: 0, last: 1 }]);
  });

  test.each([10, 100, 1900])("and again %i ms later, twice, as two more reloads do: no session is lost", (apartMs) => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(30_000);
    for (let reload = 0; reload < 3; reload++) simulation.pass(apartMs).goAwayIdle("lte").pass(50);
    simulation.pass(1000);
    expect(reportsOf(simulation, "session-lost")).toEqual([]);
    expect(simulation.state.sessions.get("lte")!.status).toBe("open");
  });

  test("whatever it took to open it before", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(1000);
    simulation.cut("lte", "cut");
    simulation.pass(120_000);
    simulation.paths.get("lte")!.condition = "works";
    while (simulation.state.sessions.get("lte")!.status !== "open") simulation.pass(100);
    const before = reportsOf(simulation, "session-lost").length;
    simulation.pass(1000).goAwayIdle("lte").pass(100);
    expect(reportsOf(simulation, "session-lost")).toHaveLength(before);
    expect(simulation.state.sessions.get("lte")!.status).toBe("open");
  });

  test("one that ends before it has answered anything is not followed in a circle", () => {
    const simulation = new PolicySimulation([FIBRE]).start().pass(100);
    const opens = () => simulation.actions.filter((action) => action.kind === "open").length;
    for (let round = 0; round < 600; round++) simulation.goAway("fibre").pass(100);
    expect(opens()).toBeLessThan(20);
  });

  test("whose successor does not open leaves the path to the next one after two seconds", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(1000);
    simulation.cut("fibre", "hole");
    simulation.goAway("fibre").seal(1).pass(1900);
    expect(simulation.state.paths.active).toBe("fibre");
    simulation.pass(200);
    expect(simulation.state.paths.active).toBe("lte");
    expect(simulation.pending()).toBe(0);
  });
});

describe("a collector that comes back", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %i: is found within two seconds while something waits", (seed) => {
    const simulation = new PolicySimulation([FIBRE, LTE], { seed }).start().pass(1000);
    simulation.cut("fibre", "cut");
    simulation.cut("lte", "cut");
    simulation.seal(1).pass(600_000 + seed * 777);
    simulation.paths.get("lte")!.condition = "works";
    simulation.pass(2000);
    expect(simulation.pending()).toBe(0);
  });

  test("is not looked for in haste while nothing waits, nor by a path whose work another does", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(1000);
    const opens = () => simulation.actions.filter((action) => action.kind === "open").length;
    simulation.cut("fibre", "cut");
    simulation.pass(300_000);
    const before = opens();
    for (let second = 0; second < 300; second++) simulation.seal(1).pass(1000);
    expect(opens() - before).toBeLessThan(25);
    simulation.cut("lte", "cut");
    simulation.pass(300_000);
    const idle = opens();
    simulation.pass(300_000);
    expect(opens() - idle).toBeLessThan(50);
    // What is sealed now does not wait for the long delay that was drawn while there was no hurry.
    simulation.seal(1).pass(1100);
    expect(opens() - idle).toBeGreaterThan(0);
  });
});

describe("the watchdog", () => {
  test("leaves a path that swallows everything without a word, and does not come straight back", () => {
    const simulation = new PolicySimulation([FIBRE, LTE]).start().pass(20_000);
    simulation.liveness("fibre", "up").cut("fibre", "mute");
    simulation.seal(1).pass(2500);
    expect(reportsOf(simulation, "path-switch").at(-1)).toMatchObject({ from: "fibre", to: "lte" });
    expect(reportsOf(simulation, "path-switch").at(-1)!.why).toMatch(/no answer for \d+ ms, while lte answers/);
    expect(simulation.state.paths.active).toBe("lte");
    expect(simulation.pending()).toBe(0);
    simulation.pass(25_000);
    expect(simulation.state.paths.active).toBe("lte");
  });

  test("with one path it opens the session anew and then calls for help, until something gets through", () => {
    const simulation = new PolicySimulation([FIBRE]).start().pass(1000);
    simulation.cut("fibre", "mute");
    simulation.seal(1).pass(60_000);
    const steps = reportsOf(simulation, "stalled").map((report) => report.step);
    expect(steps.slice(0, 3)).toEqual(["lane", "session", "alarm"]);
    simulation.paths.get("fibre")!.condition = "works";
    simulation.pass(120_000);
    expect(simulation.pending()).toBe(0);
  });
});

describe("thousands of seconds of trouble", () => {
  const seeds = Array.from({ length: scaled(40) }, (_, index) => index + 1);
  test.each(seeds)("seed %i: whatever happened, in the end everything is acknowledged", (seed) => {
    const configs: PathConfig[] = [
      FIBRE,
      { ...LTE, riskGroups: ["mast"] },
      { name: "radio", endpoint, preference: 50, riskGroups: ["mast"] },
    ];
    const settings = { bytesInFlight: seed % 2 === 0 ? 100_000 : 8_000_000, requestBytesMax: 64_000 };
    const simulation = new PolicySimulation(configs, { seed, settings, enrols: true }).store(1, 300).start();
    const { random } = simulation;
    const names = configs.map((config) => config.name);
    for (let second = 0; second < 2000; second++) {
      for (let batch = random.below(4); batch > 0; batch--) simulation.seal(random.below(3) as 0 | 1 | 2);
      const name = names[random.below(names.length)]!;
      const path = simulation.paths.get(name)!;
      switch (random.below(24)) {
        case 0:
          simulation.cut(name, "cut");
          break;
        case 1:
          simulation.cut(name, "hole");
          break;
        case 2:
          simulation.liveness(name, path.condition === "works" ? "up" : "down");
          break;
        case 3:
          simulation.liveness(name, "unknown");
          break;
        case 4:
          simulation.liveness(name, random.below(2) === 0 ? "up" : "down");
          break;
        case 5:
          path.delayMs = 1 + random.below(600);
          break;
        case 6:
          simulation.refusal = () =>
            random.below(3) === 0 ? { failure: "busy", retryAfterMs: random.below(5000) } : undefined;
          break;
        case 7:
          simulation.refusal = ({ lane }) => (lane === 2 ? { failure: "refused" } : undefined);
          break;
        case 8:
          simulation.refusal = () => undefined;
          break;
        default:
          if (random.below(3) === 0) path.condition = "works";
      }
      simulation.pass(1000);
    }
    simulation.refusal = () => undefined;
    for (const name of names) {
      simulation.paths.get(name)!.condition = "works";
      simulation.liveness(name, "up");
    }
    simulation.pass(1_000_000);
    expect(simulation.pending()).toBe(0);
    expect(simulation.state.flights.size).toBe(0);
    expect(simulation.state.paths.active).toBe("fibre");
    const switches = reportsOf(simulation, "path-switch");
    expect(switches.length).toBeGreaterThan(5);
    expect(switches.every((report) => report.why.length > 5)).toBe(true);
  });
});
