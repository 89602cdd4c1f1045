import { defineConfig } from "vitest/config";
import { testFiles } from "./judge.ts";

/** The tests that provisions rest on, of `npm test` and of `npm run trial`, as often as the latter tries. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: testFiles(),
    isolate: false,
    env: { PADDOCK_FUZZ_SCALE: process.env["PADDOCK_FUZZ_SCALE"] ?? "1" },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 25 } },
  },
});
