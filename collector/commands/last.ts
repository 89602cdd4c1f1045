import { formatDuration } from "@paddock/base/duration.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { askJson } from "../operator/operator-client.ts";
import type { LastReport, ShownReading } from "../operator/operator-last.ts";
import { CONNECT_HELP, CONNECT_OPTIONS, parseCommandLine, socketOf, textOption, type Command } from "./command.ts";

const QUERY = ["gateway", "sensor", "name", "limit", "after"] as const;

export const last: Command = {
  name: "last",
  usage: "[--gateway ID] [--sensor ID] [--name NAME] [--limit N] [--after KEY] [--config FILE] [--json]",
  summary: "the newest reading of each name of each sensor",
  help: `  --gateway ID    of this gateway: 8 or more digits of its id
  --sensor ID     of this sensor; 'mote-*' for all whose id begins so
  --name NAME     of this name; 'room:*' for all that begin so
  --limit N       at most so many (100), and with --after KEY those behind that key
${CONNECT_HELP}

With gateway, sensor and name it looks for the one reading wherever it may be: in memory, Redis, the lake, the log.
Ends with 1 when there is none.`,
  async run(argv) {
    const options = Object.fromEntries(QUERY.map((name) => [name, { type: "string" } as const]));
    const parsed = parseCommandLine(argv, { ...CONNECT_OPTIONS, ...options });
    const query = new URLSearchParams();
    for (const name of QUERY) {
      const text = textOption(parsed, name);
      if (text !== undefined) query.set(name, text);
    }
    const report = await askJson<LastReport>(await socketOf(parsed), { path: `/v1/last?${query.toString()}` });
    if (parsed.values["json"] === true) printJson(report);
    else print(render(report));
    return report.values.length === 0 ? 1 : 0;
  },
};

function render({ values, next, tier, behind, notes }: LastReport): string {
  const lines = values.map(renderReading);
  if (values.length === 0) lines.push("No reading is known.");
  else if (tier !== "memory") lines.push(`From: ${tier}.`);
  if (behind !== null && behind > 0) lines.push(`${behind} records of the log are not looked at yet.`);
  lines.push(...notes);
  if (next !== null) lines.push(`next: --after ${quoted(next)}`);
  return lines.join("\n");
}

function renderReading(reading: ShownReading): string {
  const { gateway, sensor, name, unit, time, timeBy, clock, ageS, offset, part } = reading;
  const age = ageS < 0 ? "ahead of this clock" : `${formatDuration(ageS * 1000)} ago`;
  const measured = `${valueOf(reading)}${unit === null ? "" : ` ${unit}`}`;
  return `${gateway.slice(0, 12)}  ${sensor}  ${name}  ${measured}  ${time} (${timeBy}, ${clock}; ${age})  offset ${offset}, part ${part}`;
}

function valueOf({ kind, value, exact, whyNoNumber }: ShownReading): string {
  if (kind === "none") return "no value";
  if (kind === "text") return JSON.stringify(value);
  return exact ?? whyNoNumber ?? String(value);
}

/** For a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
