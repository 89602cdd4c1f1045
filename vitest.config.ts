import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.lab.test.ts", "**/*.boot.test.ts", "hil-tests/interop/**"],
    // Two cores: more workers only steal time from the real processes that some tests start.
    maxWorkers: 2,
    // A process for each file took half of the processor's time. Tests leave behind what they found: environment, spies, files.
    isolate: false,
    // Our programs, started some 200 times, then need not strip and compile their sources each time.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/node-compile") },
    // Limits end what hangs. A machine that is ten times slower than usual must not reach them.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 10 } },
  },
});
