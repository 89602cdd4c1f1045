import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import type { Evidence } from "../evidence.ts";
import { askJson } from "../operator/operator-client.ts";
import { CONNECT_HELP, CONNECT_OPTIONS, parseCommandLine, socketOf, textOption, type Command } from "./command.ts";

export const evidence: Command = {
  name: "evidence",
  usage: "[close ID --why TEXT] [--config FILE] [--json]",
  summary: "signed contradictions that are kept; close one that was looked into",
  help: `  close ID        end the alarm for this one; it stays where it is, with the reason
  --why TEXT      what was found
${CONNECT_HELP}

Ends with 0 when all is closed or there is none, 1 when something is open.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, { ...CONNECT_OPTIONS, why: { type: "string" } }, [0, 2]);
    const [verb, id] = parsed.positionals;
    const why = textOption(parsed, "why");
    if (verb !== undefined && verb !== "close")
      throw new PaddockError("USAGE", `${JSON.stringify(verb)} is not close.`);
    if (verb !== undefined && (id === undefined || why === undefined)) {
      throw new PaddockError("USAGE", "close takes an ID, and --why with what was found.");
    }
    const socket = await socketOf(parsed);
    if (id !== undefined) {
      await askJson(socket, { method: "POST", path: `/v1/evidence/${encodeURIComponent(id)}/close`, body: { why } });
    }
    const all = await askJson<readonly Evidence[]>(socket, { path: "/v1/evidence" });
    if (parsed.values["json"] === true) printJson(all);
    else print(renderEvidence(all));
    return all.some(({ closed }) => closed === null) ? 1 : 0;
  },
};

function renderEvidence(all: readonly Evidence[]): string {
  if (all.length === 0) return "No evidence: no gateway contradicted itself.";
  return all
    .map(({ id, gateway, lane, epoch, seq, detail, found, closed }) => {
      const where = `${gateway.slice(0, 12)} ${lane} epoch ${epoch} seq ${seq}`;
      const state =
        closed === null ? "OPEN" : `closed ${new Date(closed.at).toISOString()}, ${JSON.stringify(closed.why)}`;
      return `${id}\n  ${where}, found ${new Date(found).toISOString()}: ${detail}\n  ${state}`;
    })
    .join("\n");
}
