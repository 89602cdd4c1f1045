import { formatDuration } from "@paddock/base/duration.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { askJson } from "../operator/operator-client.ts";
import type { SinkReport } from "../operator/operator-sinks.ts";
import type { DeadLetterReport } from "../sinks/dead-letters.ts";
import {
  CONNECT_HELP,
  CONNECT_OPTIONS,
  parseCommandLine,
  requiredOption,
  socketOf,
  type Command,
  type Parsed,
} from "./command.ts";

const VERBS = ["pause", "resume", "rebuild", "dead"];

export const sinks: Command = {
  name: "sinks",
  usage: "[pause|resume|dead NAME | rebuild NAME --from OFFSET|TIME] [--config FILE] [--json]",
  summary: "where readings go: how far each sink is, pause, rebuild, what it cannot keep",
  help: `  pause NAME      lets go of its files or server until it is resumed, over every restart
  resume NAME     goes on; one that waits after a failure tries again at once
  rebuild NAME    forgets its rows from --from on and makes them again from the log
  --from WHERE    a log offset, or a time such as 2026-01-31T12:00:00Z at which records arrived
  dead NAME       readings that it cannot keep, the newest last, and records that are gone
${CONNECT_HELP}

Ends with 1 when a sink has a problem.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, { ...CONNECT_OPTIONS, from: { type: "string" } }, [0, 2]);
    const [verb, name] = parsed.positionals;
    const isJson = parsed.values["json"] === true;
    if (verb === undefined) {
      const all = await askJson<SinkReport[]>(await socketOf(parsed), { path: "/v1/sinks" });
      return show(all, all, isJson);
    }
    if (!VERBS.includes(verb)) {
      throw new PaddockError("USAGE", `${JSON.stringify(verb)} is none of ${VERBS.join(", ")}.`);
    }
    if (name === undefined) throw new PaddockError("USAGE", `${verb} needs the NAME of a sink.`);
    const path = `/v1/sinks/${encodeURIComponent(name)}/${verb}`;
    if (verb === "dead") {
      const letters = await askJson<DeadLetterReport>(await socketOf(parsed), { path });
      if (isJson) printJson(letters);
      else print(renderDeadLetters(letters));
      return 0;
    }
    const body = verb === "rebuild" ? { from: whereFrom(parsed) } : undefined;
    const sink = await askJson<SinkReport>(await socketOf(parsed), { method: "POST", path, body });
    return show([sink], sink, isJson);
  },
};

function whereFrom(parsed: Parsed): number | string {
  const from = requiredOption(parsed, "from");
  return /^\d{1,16}$/u.test(from) ? Number(from) : from;
}

function show(all: readonly SinkReport[], answer: unknown, isJson: boolean): number {
  if (isJson) printJson(answer);
  else print(all.length === 0 ? "The configuration has no sinks." : all.map(render).join("\n"));
  return all.some(({ problem }) => problem !== null) ? 1 : 0;
}

function render({ name, kind, state, problem, offset, lag, rows, deadLetters, details }: SinkReport): string {
  const behind =
    lag === null
      ? "place not known"
      : `offset ${offset}, ${lag.records === 0 ? "all kept" : `${lag.records} records behind, ${formatDuration(lag.seconds * 1000)}`}`;
  const severity = problem === null ? (state === "paused" ? "PAUSED" : "OK") : "ATTENTION";
  const lines = [`${severity.padEnd(9)} ${name} (${kind}): ${state}, ${behind}, ${rows} rows since the start`];
  if (problem !== null) lines.push(`  ${problem}`);
  if (deadLetters.total > 0) {
    lines.push(`  ${deadLetters.total} readings that it cannot keep: paddock collector sinks dead ${name}`);
  }
  const missing = renderMissing(deadLetters.missing);
  if (missing !== "") lines.push(`  records that are gone or unreadable: ${missing}`);
  const words = Object.entries(details).map(([key, value]) => `${key} ${value ?? "none"}`);
  if (words.length > 0) lines.push(`  ${words.join(", ")}`);
  return lines.join("\n");
}

function renderMissing(missing: Readonly<Record<string, number>>): string {
  return Object.entries(missing)
    .map(([why, count]) => `${why} ${count}`)
    .join(", ");
}

function renderDeadLetters({ total, countedFrom, missing, letters }: DeadLetterReport): string {
  const lines = letters.map(({ offset, gateway, source, reason }) => {
    return `offset ${offset}, ${gateway.slice(0, 12)}, ${source}: ${reason}`;
  });
  const since = countedFrom === 0 ? "" : ` from offset ${countedFrom} on`;
  lines.push(`${total} readings that it cannot keep${since}; the newest ${letters.length} are listed.`);
  const gone = renderMissing(missing);
  if (gone !== "") lines.push(`Records that are gone or unreadable: ${gone}.`);
  return lines.join("\n");
}
