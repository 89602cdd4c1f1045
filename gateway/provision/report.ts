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
