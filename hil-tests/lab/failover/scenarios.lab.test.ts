/*
 * Runs scenarios/*.feature. Root and the packages of hil-tests/setup.sh are needed:
 *
 *     node --test hil-tests/lab/failover/scenarios.lab.test.ts
 *
 * PADDOCK_HIL_FEATURES names other files, separated by commas; PADDOCK_HIL_CAPTURE a directory that packets are kept in.
 */
import assert from "node:assert/strict";
import { glob } from "node:fs/promises";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { missingForLab } from "../namespaces.ts";
import { StoryTeller } from "../story.ts";
import { perform } from "./gherkin/plan.ts";
import { NamespaceTarget } from "./namespace-target.ts";
import { readScenarios } from "./read-scenarios.ts";
import { CAPTURE_VARIABLE, FEATURES_VARIABLE, SABOTAGE_VARIABLE } from "./variables.ts";
import { World } from "./world.ts";

const LIMIT_MS = 300_000;
/** The runner does not wait for a test that it gave up, whose namespaces the next one would meet: it gives up later. */
const RUNNER_LIMIT = { timeout: LIMIT_MS + 60_000 };
/** Of 255 bytes, some are for the uplink and the ending. */
const FILE_NAME_MAX = 200;
const CAPTURES = process.env[CAPTURE_VARIABLE];

const missing = missingForLab(["nft", "ip", "chrt", "ping", "bfdd", "dumpcap", "tshark"]);
before(() => assert.deepEqual(missing, []));

const scenarios = await readScenarios(await featureFiles());
assert.ok(scenarios.length > 0, "there is no scenario");

for (const planned of scenarios) {
  const { name, file, line, text } = planned.scenario;
  void test(name, RUNNER_LIMIT, async (t) => {
    const story = new StoryTeller(name, { file, line, text });
    const target = new NamespaceTarget(process.env[SABOTAGE_VARIABLE]);
    const world = new World(target, story);
    let failure: unknown;
    try {
      if (CAPTURES !== undefined) await target.capture(join(CAPTURES, slugOf(name)));
      await withinLimit(perform(planned, world, (step) => story.at(`${step.keyword} ${step.text}`)));
      assert.ok(world.proof !== undefined, `${file}:${line}: no step looks at the ledger, so nothing is proven`);
    } catch (error) {
      failure = error;
    }
    story.at("the scenario ends");
    world.tellEvents();
    story.tell((words) => t.diagnostic(words));
    // What went wrong in the scenario is the news; what the clean-up says comes beside it.
    await target.destroy().catch((error: unknown) => {
      t.diagnostic(String(error));
      failure ??= error;
    });
    if (failure !== undefined) throw failure;
  });
}

/** What is late goes on until its next look at the target finds nothing there, and nobody hears of it. */
async function withinLimit(scenario: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = setTimeout(LIMIT_MS, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`the scenario was not over within ${LIMIT_MS / 1000} s`)),
    () => {},
  );
  try {
    await Promise.race([scenario, late]);
  } finally {
    timer.abort();
  }
}

async function featureFiles(): Promise<string[]> {
  const named = process.env[FEATURES_VARIABLE];
  if (named !== undefined) return named.split(",").map((path) => resolve(path));
  const found: string[] = [];
  for await (const path of glob("scenarios/*.feature", { cwd: import.meta.dirname })) {
    found.push(join(import.meta.dirname, path));
  }
  return found.toSorted();
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/gu, "-")
    .slice(0, FILE_NAME_MAX);
}
