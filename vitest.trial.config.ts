import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import quick, { ELSEWHERE } from "./vitest.config.ts";

/** Tests whose number of tries is `scaled`: base/testing/fuzz.ts. */
const madeOfChance = globSync("*/**/*.test.ts", { cwd: import.meta.dirname, exclude: ELSEWHERE }).filter((file) =>
  /^import .*testing\/fuzz\.ts";$/mu.test(readFileSync(join(import.meta.dirname, file), "utf8")),
);

/** `npm run trial`: whole systems, which take long, and everything that is made of chance, at its full scale. */
export default defineConfig({
  test: {
    ...quick.test,
    include: ["**/*.trial.test.ts", ...madeOfChance],
    exclude: ELSEWHERE,
    env: { ...quick.test?.env, PADDOCK_FUZZ_SCALE: process.env["PADDOCK_FUZZ_SCALE"] ?? "1" },
  },
});
