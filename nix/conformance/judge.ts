import { CONTROLS } from "./controls.ts";
import type { Evidence } from "./evidence.ts";
import { ETSI, MECHANISMS, TEXTS, type Provision } from "./provisions.ts";

type Verdict = "green" | "red" | "not applicable";

export interface Judged {
  readonly id: string;
  readonly about: string;
  readonly verdict: Verdict;
  readonly evidence: readonly string[];
  /** Empty unless it is red. */
  readonly problems: readonly string[];
  /** What of the standard's text was at hand. */
  readonly text: string;
}

export interface Report {
  readonly version: string;
  readonly commit: string;
  readonly imageSha256: string;
  readonly rootHash: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly standards: readonly { readonly name: string; readonly provisions: readonly Judged[] }[];
}

/** Judges each provision by the evidence alone; the same evidence gives the same report. */
export function judge(evidence: Evidence): Report {
  const { version, commit, rootHash } = evidence.release;
  return {
    version,
    commit,
    imageSha256: evidence.imageSha256,
    rootHash,
    date: evidence.now.toISOString().slice(0, 10),
    standards: [
      { name: "ETSI EN 303 645", provisions: ETSI.map((one) => judgeOne(one, evidence, TEXTS.etsi)) },
      { name: "EN 18031", provisions: MECHANISMS.map((one) => judgeOne(one, evidence, TEXTS.en18031)) },
    ],
  };
}

/** Ids of what is red, in the order of the report. */
export function redOf(report: Report): string[] {
  return report.standards.flatMap(({ provisions }) =>
    provisions.filter(({ verdict }) => verdict === "red").map(({ id }) => id),
  );
}

function judgeOne(provision: Provision, evidence: Evidence, text: string): Judged {
  const { id, about, notApplicable } = provision;
  if (notApplicable !== undefined)
    return { id, about, verdict: "not applicable", evidence: [notApplicable], problems: [], text };
  const seen = [
    ...(provision.controls ?? []).map((name) => CONTROLS[name](evidence)),
    ...(provision.tests ?? []).map((name) => testsSeen(name, evidence.tests)),
    ...(provision.pages ?? []).map((name) => pageSeen(name, evidence.pages)),
  ];
  const problems = [...seen.flatMap((one) => one.problems), ...(provision.open === undefined ? [] : [provision.open])];
  return {
    id,
    about,
    verdict: problems.length === 0 ? "green" : "red",
    evidence: seen.map((one) => one.evidence),
    problems,
    text,
  };
}

/** `name` is a file, or a file and how a test in it begins; at least one has to be there, and all have to pass. */
function testsSeen(name: string, tests: Evidence["tests"]): { evidence: string; problems: string[] } {
  const [file, start = ""] = name.split(": ");
  const those = [...tests].filter(
    ([key]) => key.startsWith(`${file}: `) && key.slice(file!.length + 2).includes(start),
  );
  const failed = those.filter(([, passed]) => !passed).map(([key]) => `${key} fails`);
  return {
    evidence: `${those.length} tests: ${name}`,
    problems: those.length === 0 ? [`${name} was not run`] : failed,
  };
}

function pageSeen(name: string, pages: Evidence["pages"]): { evidence: string; problems: string[] } {
  const [page, heading = ""] = name.split(": ");
  const text = pages.get(page!);
  const isThere =
    text !== undefined &&
    (heading === "" || text.split("\n").some((line) => /^#+ /u.test(line) && line.endsWith(` ${heading}`)));
  return { evidence: `page ${name}`, problems: isThere ? [] : [`${name} is missing`] };
}

/** Files with tests that the report rests on. */
export function testFiles(): string[] {
  const names = [...ETSI, ...MECHANISMS].flatMap(({ tests = [] }) => tests.map((name) => name.split(": ")[0]!));
  return [...new Set(names)].toSorted();
}

/** Pages that the report rests on. */
export function pageFiles(): string[] {
  const names = [...ETSI, ...MECHANISMS].flatMap(({ pages = [] }) => pages.map((name) => name.split(": ")[0]!));
  return [...new Set(names)].toSorted();
}
