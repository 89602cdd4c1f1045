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
import { missingForLab } from "../namespaces.ts";
import { StoryTeller } from "../story.ts";
import { perform } from "./gherkin/plan.ts";
import { NamespaceTarget } from "./namespace-target.ts";
import { readScenarios } from "./read-scenarios.ts";
import { CAPTURE_VARIABLE, FEATURES_VARIABLE } from "./variables.ts";
import { World } from "./world.ts";

const LIMIT = { timeout: 300_000 };
/** Of 255 bytes, some are for the uplink and the ending. */
const FILE_NAME_MAX = 200;
const CAPTURES = process.env[CAPTURE_VARIABLE];

const missing = missingForLab(["nft", "ip", "chrt", "ping", "bfdd", "dumpcap", "tshark"]);
before(() => assert.deepEqual(missing, []));

const scenarios = await readScenarios(await featureFiles());
assert.ok(scenarios.length > 0, "there is no scenario");

for (const planned of scenarios) {
  const { name, file, line, text } = planned.scenario;
  void test(name, LIMIT, async (t) => {
    const story = new StoryTeller(name, { file, line, text });
    const target = new NamespaceTarget();
    const world = new World(target, story);
    let failure: unknown;
    try {
      if (CAPTURES !== undefined) await target.capture(join(CAPTURES, slugOf(name)));
      await perform(planned, world, (step) => story.at(`${step.keyword} ${step.text}`));
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
