export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** One frame that is in trouble. */
export interface Example {
  readonly trouble: string;
  readonly n?: number;
  readonly sensor: string;
  readonly detail: string;
}

/** What became of the frames that were sent. */
export interface VerifyReport {
  readonly verdict: "PASS" | "FAIL";
  /** Why it failed, one sentence each. */
  readonly reasons: readonly string[];
  readonly scenario: string;
  readonly seed: number;
  /** Whether the sent ledger is whole: a simulator that was killed leaves one that is not. */
  readonly complete: boolean;
  /** Frames in the sent ledger; `good` and `bad` are its two parts. */
  readonly sent: number;
  readonly good: number;
  readonly bad: number;
  readonly acknowledged: number;
  /** Records in the log, those of other sensors included and the gateway's own not. */
  readonly records: number;
  /** Frames that are in the log, each counted once. */
  readonly received: number;
  readonly duplicate: number;
  /** Acknowledged, not in the log, and no eviction accounts for it. */
  readonly lost: number;
  /** Acknowledged, not in the log, and covered in number by evictions of its lane. */
  readonly accounted: number;
  /** Records that the gateway says it gave up. */
  readonly evicted: number;
  /** Not in the log, and its sensor never got an answer: a network may lose such frames. */
  readonly unconfirmed: number;
  /** In the log under one of our sensors, but never sent. */
  readonly altered: number;
  /** In the log byte for byte, but under another sensor's name, in another lane or with another format. */
  readonly misfiled: number;
  /** In the log with the bytes of ours, but received before ours were sent: of an older run, so they prove nothing. */
  readonly older: number;
  /** Records that the log says are damaged, lost or undecodable at the collector. */
  readonly damaged: number;
  /** In the log from others than our sensors. */
  readonly foreign: number;
  readonly refusedButStored: number;
  readonly badAcknowledged: number;
  readonly goodRefused: number;
  /** Good, and turned away to the end with 4.29 or 5.03. */
  readonly turnedAway: number;
  readonly unreadableLines: number;
  /** Collector's time of receipt less the sensor's time of sending, in ms. */
  readonly lateMs: Percentiles | null;
  /** Gateway's time of reception less the sensor's time of sending, in ms. */
  readonly stampedMs: Percentiles | null;
  readonly examples: readonly Example[];
}

/** How much of each trouble is still a pass. */
export interface Allowances {
  readonly lost: number;
  readonly duplicate: number;
  readonly altered: number;
  readonly goodRefused: number;
  /** Good frames without an answer that may be missing: a network may lose such frames. */
  readonly unconfirmed: number;
  readonly turnedAway: number;
  readonly accounted: number;
  readonly lateP99Ms: number;
  /** Whether a ledger without its summary will do. */
  readonly incomplete: boolean;
  /** Whether a run of which nothing arrived will do. */
  readonly nothing: boolean;
}

export const STRICT: Allowances = {
  lost: 0,
  duplicate: 0,
  altered: 0,
  goodRefused: 0,
  unconfirmed: 0,
  turnedAway: Number.POSITIVE_INFINITY,
  accounted: Number.POSITIVE_INFINITY,
  lateP99Ms: Number.POSITIVE_INFINITY,
  incomplete: false,
  nothing: false,
};

export function judge(numbers: Omit<VerifyReport, "verdict" | "reasons">, allowed: Allowances): VerifyReport {
  const reasons: string[] = [];
  const limit = (count: number, most: number, text: string): void => {
    if (count > most) reasons.push(`${count} ${text}${most > 0 ? ` (allowed: ${most})` : ""}.`);
  };
  limit(numbers.lost, allowed.lost, "acknowledged frames are not in the log");
  limit(numbers.duplicate, allowed.duplicate, "records are in the log more than once");
  limit(numbers.altered, allowed.altered, "records of our sensors were never sent");
  limit(numbers.misfiled, 0, "records are under another sensor, in another lane or with another format than sent");
  limit(numbers.damaged, 0, "records are damaged, lost or undecodable in the collector's log");
  limit(numbers.refusedButStored, 0, "frames were stored though they were refused or bad");
  limit(numbers.badAcknowledged, 0, "bad frames were acknowledged");
  limit(numbers.goodRefused, allowed.goodRefused, "good frames were refused for another reason than pressure");
  limit(
    numbers.unconfirmed,
    allowed.unconfirmed,
    "good frames had no answer and are not in the log; where the network may lose such frames, --allow-unconfirmed says how many",
  );
  limit(numbers.turnedAway, allowed.turnedAway, "good frames were turned away to the end");
  limit(numbers.accounted, allowed.accounted, "acknowledged frames were evicted");
  limit(numbers.unreadableLines, 0, "lines are not readable");
  if (numbers.lateMs !== null) limit(numbers.lateMs.p99, allowed.lateP99Ms, "ms late at the 99th percentile");
  else if (Number.isFinite(allowed.lateP99Ms)) {
    reasons.push("No record of the log says how late it was, so the limit on lateness is not shown to hold.");
  }
  reasons.push(...unproven(numbers, allowed));
  if (!numbers.complete && !allowed.incomplete) {
    reasons.push(
      "The sent ledger has no summary: the simulator was killed or still runs, so frames may be missing from it.",
    );
  }
  return { verdict: reasons.length === 0 ? "PASS" : "FAIL", reasons, ...numbers };
}

/** Why the numbers, good as they may look, prove nothing. */
function unproven(numbers: Omit<VerifyReport, "verdict" | "reasons">, allowed: Allowances): string[] {
  if (numbers.sent === 0) return ["The sent ledger has no frames, so nothing is proven."];
  if (allowed.nothing || numbers.good === 0 || numbers.received > 0) return [];
  return [
    numbers.older > 0
      ? `The log has ${numbers.older} of the frames, received before they were sent: of an older run, so nothing is proven. Where the collector's clock is behind the simulator's, --clock-skew says how far.`
      : "None of the frames is in the log, so nothing is proven.",
  ];
}

/** For people: the verdict in one sentence, then the numbers. */
export function formatReport(report: VerifyReport): string {
  const { verdict, reasons } = report;
  const stored = report.received - report.refusedButStored;
  const lines = [
    verdict === "PASS"
      ? `PASS: ${stored} of ${report.good} good frames are in the log exactly once, and nothing that was acknowledged is missing${report.accounted > 0 ? ` but for ${report.accounted} that evictions account for` : ""}.`
      : `FAIL: ${reasons.join(" ")}`,
    `  sent ${report.sent} (${report.good} good, ${report.bad} bad), acknowledged ${report.acknowledged}, received ${report.received}`,
    `  lost ${report.lost}, duplicate ${report.duplicate}, altered ${report.altered}, refused but stored ${report.refusedButStored}, accounted for by eviction ${report.accounted}`,
    `  unconfirmed and missing ${report.unconfirmed}, turned away ${report.turnedAway}, misfiled ${report.misfiled}, of others ${report.foreign}, of an older run ${report.older}`,
  ];
  if (report.lateMs !== null) lines.push(`  sensor to collector ${formatPercentiles(report.lateMs)}`);
  if (report.stampedMs !== null) lines.push(`  sensor to gateway   ${formatPercentiles(report.stampedMs)}`);
  for (const { trouble, n, sensor, detail } of verdict === "FAIL" ? report.examples : []) {
    lines.push(`  ${trouble}: ${n === undefined ? "" : `frame ${n}, `}${sensor}${detail === "" ? "" : `, ${detail}`}`);
  }
  return `${lines.join("\n")}\n`;
}

function formatPercentiles({ p50, p90, p99, max }: Percentiles): string {
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, max ${max} ms`;
}

/** One JUnit test case per promise. */
export function formatJunit(report: VerifyReport, allowed: Allowances): string {
  const cases = [
    ["nothing acknowledged is lost", report.lost <= allowed.lost, `${report.lost} lost`],
    ["nothing is twice in the log", report.duplicate <= allowed.duplicate, `${report.duplicate} duplicates`],
    ["nothing is altered", report.altered <= allowed.altered, `${report.altered} altered`],
    ["every record stands under its sensor, lane and format", report.misfiled === 0, `${report.misfiled} misfiled`],
    ["something is proven", unproven(report, allowed).length === 0, unproven(report, allowed).join(" ")],
    [
      "nothing refused is stored",
      report.refusedButStored === 0 && report.badAcknowledged === 0,
      `${report.refusedButStored} stored, ${report.badAcknowledged} acknowledged`,
    ],
    ["every limit holds", report.verdict === "PASS", report.reasons.join(" ")],
  ] as const;
  const failures = cases.filter(([, holds]) => !holds).length;
  const body = cases.map(([name, holds, text]) =>
    holds
      ? `  <testcase classname="paddock.sim" name="${name}"/>`
      : `  <testcase classname="paddock.sim" name="${name}"><failure message="${escapeXml(text)}"/></testcase>`,
  );
  const head = `<testsuite name="paddock sim verify ${escapeXml(report.scenario)} seed ${report.seed}" tests="${cases.length}" failures="${failures}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${body.join("\n")}\n</testsuite>\n`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
