import { formatDuration } from "@paddock/base/duration.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { askGateway } from "../status/status-client.ts";
import type { GatewayStatus } from "../status/status.ts";
import { exitCodeOf, judge, type Verdict } from "../status/verdict.ts";
import { formatBytes, formatCount, formatTable } from "./format.ts";
import { ASKING, parseOptions, socketOf, type Command } from "./options.ts";

/** Problems that the text names; `--json` has them all. */
const PROBLEMS_SHOWN = 3;

export const statusCommand: Command = {
  summary: "Say in one sentence how it goes, then the details",
  help: `paddock gateway status [--config FILE | --socket PATH] [--json]
  Exit code: 0 all is well, 1 somebody should look, 2 broken.
`,
  async run(args) {
    const { values } = parseOptions(args, ASKING);
    const status = await askGateway<"status">(await socketOf(values), { get: "status" });
    const verdict = judge(status);
    if (values.json === true) printJson({ verdict, ...status });
    else print(formatStatus(status, verdict));
    return exitCodeOf(verdict.level);
  },
};

export function formatStatus(status: GatewayStatus, verdict: Verdict): string {
  const { buffer, uplinks, ingest, clock, process: own } = status;
  const facts: [string, string][] = [
    ["id", status.label === "" ? status.id : `${status.id} (${status.label})`],
    ["listening", status.listening.join(", ")],
    ["up", `${formatDuration(status.uptimeS * 1000)}, boot ${status.boot}`],
    ["clock", `${clock.quality}, ${new Date(clock.wallMs).toISOString()}`],
    ["frames in", `${formatCount(ingest.acceptedFramesPerS)}/s`],
    [
      "buffer",
      `${formatBytes(buffer.usedBytes)} of ${formatBytes(buffer.maxBytes)}; disk ${formatBytes(buffer.freeDiskBytes)} free`,
    ],
    ["last receipt", uplinks.configured ? ago(uplinks.lastReceiptS) : "no collector configured"],
    ["memory", `${formatBytes(own.rssBytes)}; event loop p99 ${own.eventLoopDelayP99Ms.toFixed(1)} ms late`],
  ];
  const lanes = status.lanes.map((lane) => [
    lane.lane,
    formatCount(lane.committedFrames),
    formatCount(lane.acknowledgedRecords),
    formatCount(lane.pendingRecords),
    formatBytes(lane.pendingBytes),
    lane.full ? "full" : "open",
  ]);
  const paths = uplinks.paths.map((path) => [
    path.name,
    path.role,
    path.standing,
    path.roundTripMs === null ? "-" : formatDuration(path.roundTripMs),
    path.why,
  ]);
  return [
    `${verdict.sentence}\n`,
    verdict.problems
      .slice(0, PROBLEMS_SHOWN)
      .map(({ level, text, next }) => `  ${level}: ${text}\n    next: ${next}\n`)
      .join(""),
    "\n",
    formatTable(facts),
    "\n",
    formatTable([["lane", "committed", "acknowledged", "waiting", "", "room"], ...lanes]),
    paths.length === 0 ? "" : `\n${formatTable([["path", "role", "standing", "round trip", "why"], ...paths])}`,
  ].join("");
}

function ago(seconds: number | null): string {
  return seconds === null ? "none yet" : `${formatDuration(seconds * 1000)} ago`;
}
