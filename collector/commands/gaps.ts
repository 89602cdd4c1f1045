import { print, printJson } from "@paddock/base/printable.ts";
import { formatRanges } from "@paddock/base/ranges.ts";
import type { Gap, GapCause } from "../fleet/missing.ts";
import { askJson } from "../operator/operator-client.ts";
import { CONNECT_HELP, CONNECT_OPTIONS, parseCommandLine, socketOf, textOption, type Command } from "./command.ts";

const CAUSES: Readonly<Record<GapCause, string>> = {
  "never-received": "never received; the gateway may still have them",
  evicted: "given up by the gateway, as its loss record says",
  unexplained: "came without payload, and no loss record says why",
  damaged: "damaged here at the collector: its disk changed or lost them",
  "epoch-change": "lost with the end of the epoch, as the next one says",
};

export const gaps: Command = {
  name: "gaps",
  usage: "[--config FILE] [--gateway ID] [--json]",
  summary: "what is missing, where, and why",
  help: `${CONNECT_HELP}
  --gateway ID    64 hex digits; without it all gateways

Ends with 0 when there is no gap or every gap is told by its gateway, 2 when the collector's own disk took something, 1
otherwise.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, { ...CONNECT_OPTIONS, gateway: { type: "string" } });
    const gateway = textOption(parsed, "gateway");
    const query = gateway === undefined ? "" : `?gateway=${encodeURIComponent(gateway)}`;
    const found = await askJson<readonly Gap[]>(await socketOf(parsed), { path: `/v1/gaps${query}` });
    if (parsed.values["json"] === true) printJson(found);
    else print(renderGaps(found));
    if (found.some(({ cause }) => cause === "damaged")) return 2;
    return found.some(({ cause }) => cause === "never-received" || cause === "unexplained") ? 1 : 0;
  },
};

/** The gaps as text, a line each. */
export function renderGaps(found: readonly Gap[]): string {
  if (found.length === 0) return "No gaps: every batch below every head is here with its payload.";
  return found
    .map((gap) => {
      const reason = gap.reason === null ? "" : ` (${gap.reason})`;
      const where = `${gap.gateway.slice(0, 12)} ${gap.lane} epoch ${gap.epoch}`;
      return `${where}: ${gap.batches} batches, seq ${formatRanges(gap.ranges)}: ${CAUSES[gap.cause]}${reason}`;
    })
    .join("\n");
}
