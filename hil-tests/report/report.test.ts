import { describe, expect, test } from "vitest";
import { junitXml } from "./junit.ts";
import { htmlPage } from "./page.ts";
import type { HilReport, Verdict } from "./verdicts.ts";

const GOOD: Verdict = {
  ring: "lab/failover",
  file: "lab/failover/failover.lab.test.ts",
  name: "cut & healed",
  passed: true,
  durationMs: 1500,
  failure: null,
  story: {
    scenario: "cut & healed",
    source: { file: "lab/failover/scenarios/a.feature", line: 7, text: "Scenario: cut & healed\n  When <x> is cut" },
    figures: { "cut to receipt": "p50 < 150 ms" },
    timeline: [
      { atMs: 1000, what: "When fibre is cut" },
      { atMs: 1000, what: "fault: fibre is cut" },
      { atMs: 1250, what: "traffic goes from fibre to lte" },
    ],
  },
};
const BAD: Verdict = { ...GOOD, ring: "interop", file: "interop/x.test.ts", name: "bad", passed: false, story: null };

function report(...verdicts: Verdict[]): HilReport {
  const failed = verdicts.filter(({ passed }) => !passed).length;
  const machine = { cpu: "test", cores: 2, kernel: "6", node: "24" };
  return { startedAt: "now", durationS: 2, machine, passed: verdicts.length - failed, failed, verdicts };
}

describe("JUnit", () => {
  test("counts failures for each file and escapes what people wrote", () => {
    const xml = junitXml(report(GOOD, { ...BAD, failure: "expected <a> & got \u0000b" }));
    expect(xml).toContain('<testsuites tests="2" failures="1"');
    expect(xml).toContain('<testsuite name="interop/x.test.ts" tests="1" failures="1"');
    expect(xml).toContain("<failure>expected &lt;a&gt; &amp; got b</failure>");
    expect(xml).toContain('name="cut &amp; healed"');
    expect(xml).toContain('<property name="cut to receipt" value="p50 &lt; 150 ms"/>');
  });
});

describe("the page", () => {
  test("shows verdicts, figures and the timeline from its first event", () => {
    const page = htmlPage(report(GOOD, { ...BAD, failure: "why" }));
    expect(page).toContain("1 passed, 1 failed");
    expect(page).toContain("p50 &lt; 150 ms");
    expect(page).toContain("<span>0.250 s</span> traffic goes from fibre to lte");
    expect(page).toContain("<pre>why</pre>");
    expect(page).toContain('fill="#a11b1b" fill-opacity=".75"><title>0.000 s: fault: fibre is cut');
    expect(page).toContain('fill="#2456b8" fill-opacity=".75"><title>0.250 s: traffic goes');
  });

  test("begins with links to what failed", () => {
    const page = htmlPage(report(GOOD, { ...BAD, name: 'is "bad" & more' }));
    const [, target] = /<li><a href="#([^"]+)">is &quot;bad&quot; &amp; more<\/a>/.exec(page)!;
    expect(page).toContain(`<tr id="${target}">`);
    expect(htmlPage(report(GOOD))).not.toContain("<a href");
  });

  test("has the words of a scenario, and otherwise the file of the test", () => {
    const page = htmlPage(report(GOOD, BAD));
    expect(page).toContain("lab/failover/scenarios/a.feature:7");
    expect(page).toContain("Scenario: cut &amp; healed\n  When &lt;x&gt; is cut</pre>");
    expect(page).toContain("<small>interop/x.test.ts</small>");
  });
});
