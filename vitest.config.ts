import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, in this order: begun last, one of them would go on alone when all others are done. */
const FIRST = [
  "hil-tests/demo/demo.test.ts",
  "gateway/directives/directives.test.ts",
  "sensor-sim/cli/cli.test.ts",
  "nix/flash/flash-command.test.ts",
  "collector/restart.test.ts",
  "gateway/kill.test.ts",
  "collector/commands/commands.test.ts",
  "uplink/forward/silence-watch.test.ts",
  "nix/flash/flash-one.test.ts",
  "gateway/start.test.ts",
  "collector/ingest/ingest.test.ts",
  "collector/damage.test.ts",
  "hil-tests/docs/next-lines.test.ts",
  "uplink/forward/forwarder.test.ts",
  "store/chain-store.test.ts",
  "store/kill.test.ts",
].map((file) => join(import.meta.dirname, file));

/** What neither `npm test` nor `npm run trial` runs: it needs root, or programs of others. */
export const ELSEWHERE = ["**/node_modules/**", "**/*.lab.test.ts", "**/*.boot.test.ts", "hil-tests/interop/**"];

function placeOf({ moduleId }: TestSpecification): number {
  return FIRST.includes(moduleId) ? FIRST.indexOf(moduleId) : FIRST.length;
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await BaseSequencer.prototype.sort.call(this, files);
    return usual.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: [...ELSEWHERE, "**/*.trial.test.ts"],
    // One more than two cores: some file always waits for a process, a socket or a disk.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // A process for each file took half of the processor's time. Tests leave behind what they found: environment, spies, files.
    isolate: false,
    // Our programs, started some 200 times, then need not strip and compile their sources each time.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/node-compile") },
    // Limits end what hangs. A machine that is ten times slower than usual must not reach them.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 25 } },
  },
});
