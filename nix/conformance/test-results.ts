import { relative } from "node:path";
import * as v from "valibot";

const ResultsSchema = v.object({
  testResults: v.array(
    v.object({
      name: v.string(),
      assertionResults: v.array(v.object({ fullName: v.string(), status: v.string() })),
    }),
  ),
});

/** Whether each test passed, by "FILE: NAME", in what vitest's JSON reporter wrote. A test that was skipped is not there. */
export function testResults(text: string, house: string): Map<string, boolean> {
  const { testResults: files } = v.parse(ResultsSchema, JSON.parse(text));
  return new Map(
    files.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status === "passed" || status === "failed")
        .map(({ fullName, status }) => [`${relative(house, name)}: ${fullName}`, status === "passed"] as const),
    ),
  );
}
