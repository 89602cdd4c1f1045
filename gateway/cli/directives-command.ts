import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { print, printJson } from "@paddock/base/printable.ts";
import type { DirectiveState } from "../directives/machine.ts";
import { readDirectiveState, RESET_FILE } from "../directives/state-file.ts";
import { ASKING, configOf, parseOptions, type Command } from "./options.ts";

export const directivesCommand: Command = {
  summary: "Show what the collector has changed here, or go back to the own document",
  help: `paddock gateway directives [--config FILE] [--json]
  --reset   from the next start on, use the configuration file alone
  The gateway need not run.
`,
  async run(args) {
    const { values } = parseOptions(args, { config: ASKING.config, json: ASKING.json, reset: { type: "boolean" } });
    const { dataDir, collector } = await configOf(values);
    if (values.reset === true) await writeFile(join(dataDir, RESET_FILE), "", { mode: 0o600 });
    const { state, damaged } = await readDirectiveState(dataDir, collector?.publicKey);
    if (values.json === true) printJson({ ...state, reset: values.reset === true, damaged: damaged ?? null });
    else print(linesOf(state, damaged, values.reset === true).join("\n"));
    return damaged === undefined ? 0 : 1;
  },
};

function linesOf(
  { confirmed, trial, release, answers }: DirectiveState,
  damaged: string | undefined,
  reset: boolean,
): string[] {
  const lines =
    confirmed === null
      ? ["The configuration file is used alone."]
      : [`Over the configuration file lies revision ${confirmed.revision}:`, confirmed.document];
  if (damaged !== undefined) lines.push(`directives.json is damaged, and set aside at the next start: ${damaged}`);
  if (trial !== null) lines.push(`On trial is revision ${trial.revision}:`, trial.document);
  if (release !== null) lines.push(`Release ${release.version} is being installed.`);
  for (const { subject, outcome, reason } of answers.toReversed()) {
    lines.push(`  ${subject}: ${outcome}${reason === "" ? "" : `, ${reason}`}`);
  }
  if (reset) lines.push("At the next start it is used alone: systemctl restart paddock-gateway");
  return lines;
}
