import { defineConfig } from "vitest/config";
import { NOT_READS } from "./not-reads.ts";

const left = [
  ...NOT_READS.flatMap(({ groups = {} }) => Object.keys(groups)).map((group) => `${literally(group)} > .*`),
  ...NOT_READS.flatMap(({ tests = [] }) => tests).map(literally),
];

/** The suite as a run of its own, which interop/durable-streams-suite.test.ts starts beside a server. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["suite.ts"],
    testNamePattern: new RegExp(`^(?!(?:${left.join("|")})$)`, "u"),
    testTimeout: 60_000,
  },
});

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/gu, String.raw`\$&`);
}
