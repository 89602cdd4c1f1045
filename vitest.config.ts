import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.lab.test.ts", "**/*.boot.test.ts", "hil-tests/interop/**"],
    // Two cores: more workers only steal time from the real processes that some tests start.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
