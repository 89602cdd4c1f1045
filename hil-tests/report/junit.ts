import { escapeMarkup } from "./markup.ts";
import type { HilReport, Verdict } from "./verdicts.ts";

/** JUnit XML as CI servers read it: a suite for each file. */
export function junitXml({ verdicts, durationS, failed }: HilReport): string {
  const suites = [...Map.groupBy(verdicts, ({ file }) => file)].map(([file, cases]) => {
    const failures = cases.filter(({ passed }) => !passed).length;
    const seconds = cases.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1000;
    const head = `<testsuite name="${escapeMarkup(file)}" tests="${cases.length}" failures="${failures}" time="${seconds.toFixed(3)}">`;
    return `  ${head}\n${cases.map(testCase).join("")}  </testsuite>\n`;
  });
  const head = `<testsuites tests="${verdicts.length}" failures="${failed}" time="${durationS.toFixed(3)}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${suites.join("")}</testsuites>\n`;
}

function testCase({ file, name, durationMs, failure, story }: Verdict): string {
  const attributes = `classname="${escapeMarkup(file)}" name="${escapeMarkup(name)}" time="${(durationMs / 1000).toFixed(3)}"`;
  const properties = Object.entries(story?.figures ?? {})
    .map(([key, value]) => `<property name="${escapeMarkup(key)}" value="${escapeMarkup(value)}"/>`)
    .join("");
  const inside = [
    ...(properties === "" ? [] : [`<properties>${properties}</properties>`]),
    ...(failure === null ? [] : [`<failure>${escapeMarkup(failure)}</failure>`]),
  ].join("");
  return `    <testcase ${attributes}>${inside}</testcase>\n`;
}
