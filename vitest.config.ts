import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, in this order: begun last, one of them would go on alone when all others are done. */
const FIRST = [
  "hil-tests/demo/demo.test.ts",
  "collector/commands/query.test.ts",
  "uplink/bfd/client.test.ts",
  "nix/flash/flash-one.test.ts",
  "gateway/start.test.ts",
  "uplink/forward/forwarder.test.ts",
  "collector/sinks/files/files-sink.test.ts",
  "store/kill.test.ts",
  "nix/image/blank-node.test.ts",
  "sensor-sim/cli/cli.test.ts",
  "collector/commands/log.test.ts",
  "collector/sinks/lake/lake-sink.test.ts",
  "collector/ingest/ingest.test.ts",
  "wire/dm-verity.test.ts",
  "collector/proof/kept-receipts.test.ts",
  "store/opening.test.ts",
  "collector/small-files.test.ts",
  "hil-tests/docs/units.test.ts",
  "uplink/forward/silence-watch.test.ts",
  "uplink/forward/long-link.test.ts",
  "nix/flash/flash-command.test.ts",
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
