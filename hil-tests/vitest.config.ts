import { defineConfig } from "vitest/config";

/** The tests against programs of others, which a plain `npm test` cannot expect to be installed. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["interop/**/*.test.ts"],
    // libcoap's client waits a second or more at its ends; files side by side would only share the two cores.
    fileParallelism: false,
    // Beyond what `until` waits for one condition.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
