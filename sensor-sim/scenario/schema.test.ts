import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PaddockError } from "@paddock/base/errors.ts";
import { scenarioOf } from "../testing/scenarios.ts";
import { scenarioJsonSchema } from "./json-schema.ts";
import { parseScenario, readScenario } from "./load.ts";

const folder = new URL("../", import.meta.url);

describe("scenario files", () => {
  const shipped = readdirSync(new URL("scenarios/", folder));

  test("there are some", () => {
    expect(shipped).toEqual(
      expect.arrayContaining([
        "steady.json",
        "motes.json",
        "join-storm.json",
        "hostile.json",
        "keyed-multihomed.json",
        "churn.json",
      ]),
    );
  });

  test.each(shipped)("%s is valid and named after its file", async (file) => {
    const { scenario, sha256 } = await readScenario(new URL(`scenarios/${file}`, folder).pathname);
    expect(scenario.name).toBe(file.replace(".json", ""));
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test("scenario.schema.json is what the schema says", () => {
    // As values: the formatter lays the file out as it likes.
    const file: unknown = JSON.parse(readFileSync(new URL("scenario.schema.json", folder), "utf8"));
    expect(file).toEqual(JSON.parse(scenarioJsonSchema()));
  });
});

function refusal(document: unknown): PaddockError {
  try {
    parseScenario(document, "x.json");
  } catch (error) {
    if (error instanceof PaddockError) return error;
  }
  throw new Error("the scenario was not refused");
}

describe("a refused scenario", () => {
  const fleet = { name: "a", count: 1, cadence: "1s", model: { kind: "constant", name: "t", value: 1 } };
  const scenario = { "paddock-scenario": 1, name: "x", duration: "1s", fleets: [fleet] };

  test("names the field, the value and the remedy", () => {
    const error = refusal({ ...scenario, fleets: [{ ...fleet, cadence: "5" }] });
    expect(error.code).toBe("SCENARIO_INVALID");
    expect(error.message).toContain('fleets[0].cadence: "5" is refused; write a number with us, ms, s, min, h or d');
  });

  test("names the nearest known key", () => {
    expect(refusal({ ...scenario, fleets: [{ ...fleet, jiter: "1s" }] }).message).toContain(
      'fleets[0].jiter: unknown key, did you mean "jitter"?',
    );
  });

  test.each([
    [{ sources: ["::1", "::1"] }, "fleets[0].sources"],
    [{ sources: ["10.0.0.1"] }, "fleets[0].sources[0]"],
    [{ path: "/i", lane: "alarm" }, "fleets[0].lane"],
    [{ faults: { badTag: 0.1 } }, "fleets[0].faults"],
    [{ faults: { duplicate: 0.6, reboot: 0.6 } }, "fleets[0].faults"],
    [{ jitter: "2s" }, "fleets[0].jitter"],
    [{ blockBytes: 100 }, "fleets[0].blockBytes"],
    [{ name: "Fence 1" }, "fleets[0].name"],
  ])("%j names %s", (change, field) => {
    expect(refusal({ ...scenario, fleets: [{ ...fleet, ...change }] }).message).toContain(`${field}:`);
  });

  test("of another version, with two fleets of one name, or with an unknown fleet in its timeline", () => {
    expect(refusal({ ...scenario, "paddock-scenario": 2 }).message).toContain("paddock-scenario: 2 is refused");
    expect(refusal({ ...scenario, fleets: [fleet, fleet] }).message).toContain("two fleets have the same name");
    expect(refusal({ ...scenario, timeline: [{ at: "1s", for: "1s", rate: 0, fleets: ["b"] }] }).message).toContain(
      "timeline:",
    );
  });

  test("an entry of the timeline that begins when the run is over", () => {
    const phase = { for: "1s", rate: 0 };
    expect(refusal({ ...scenario, timeline: [{ ...phase, at: "1s" }] }).message).toMatch(
      /timeline: .* would never happen/u,
    );
    expect(parseScenario({ ...scenario, timeline: [{ ...phase, at: "999ms" }] }, "x.json").timeline).toHaveLength(1);
  });

  test("a scenario that is fine gets its defaults", () => {
    expect(scenarioOf({}).fleets[0]).toMatchObject({ message: "con", format: 112, lane: "telemetry", sources: ["::"] });
    expect(scenarioOf({}).coap).toMatchObject({ ackTimeout: 2000, maxRetransmit: 4, nstart: 1 });
  });
});
