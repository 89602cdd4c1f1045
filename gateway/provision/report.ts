import { NOTICE_MAX, NOTICES_MAX } from "../config/fields.ts";
import type { Plan, Problem } from "./plan.ts";

/** The file on the CONFIG partition that tells what is wrong there. */
export const ERRORS_FILE = "config-errors.txt";

const RUNS_WITH: Readonly<Record<Plan["source"], string>> = {
  config: "The gateway runs with the gateway.json of this partition.",
  "last-good": "The gateway runs with the last gateway.json that was right.",
  default: "The gateway takes frames and keeps them; it does not know where to send them.",
};

/** One line for a console. */
export function problemLine({ file, line, what, remedy }: Problem): string {
  return `CONFIG: ${file}${line === undefined ? "" : ` line ${line}`}: ${what} ${remedy}`;
}

/** What the gateway itself is to tell, in its document: PLACE: TEXT, bounded as `notices` of a document is. */
export function noticesOf(problems: readonly Problem[]): string[] {
  const told = problems.map((problem) => problemLine(problem).replace(/^CONFIG: /u, ""));
  return told
    .slice(0, NOTICES_MAX)
    .map((text) => (text.length > NOTICE_MAX ? `${text.slice(0, NOTICE_MAX - 1)}…` : text));
}

/** What config-errors.txt says; undefined when all is right. Lines end as Windows shows them. */
export function errorsText({ problems, source }: Pick<Plan, "problems" | "source">): string | undefined {
  if (problems.length === 0) return undefined;
  const blocks = problems.map(({ file, line, what, remedy }) =>
    [`${file}${line === undefined ? "" : `, line ${line}`}`, `  ${what}`, `  ${remedy}`, ""].join("\n"),
  );
  const text = [
    "Something on this partition is not as it has to be. This file goes away when all is right.",
    RUNS_WITH[source],
    "",
    ...blocks,
  ].join("\n");
  return text.replaceAll("\n", "\r\n");
}
