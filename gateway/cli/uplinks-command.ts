import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration } from "@paddock/base/duration.ts";
import { askGateway } from "../status/status-client.ts";
import type { GatewayStatus, PathStatus, UplinksStatus } from "../status/status.ts";
import { exitCodeOf, judge } from "../status/verdict.ts";
import { formatBytes, formatCount, formatTable } from "./format.ts";
import { ASKING, parseOptions, print, printJson, socketOf, type Command } from "./options.ts";

const WATCH_MS = 1000;

export const uplinksCommand: Command = {
  summary: "Show the paths to the collector",
  help: `paddock gateway uplinks [--watch] [--config FILE | --socket PATH] [--json]
  --watch   again every second; with --json one line each
`,
  async run(args) {
    const { values } = parseOptions(args, { ...ASKING, watch: { type: "boolean" } });
    const socket = await socketOf(values);
    for (;;) {
      const status = await askGateway<"status">(socket, { get: "status" });
      if (values.watch !== true) {
        if (values.json === true) printJson(status.uplinks);
        else print(formatUplinks(status));
        return exitCodeOf(judge(status).level);
      }
      if (values.json === true) print(JSON.stringify({ time: new Date().toISOString(), ...status.uplinks }));
      else print(`${process.stdout.isTTY ? "\u001b[2J\u001b[H" : ""}${formatUplinks(status)}`);
      await sleep(WATCH_MS);
    }
  },
};

export function formatUplinks(status: GatewayStatus): string {
  const { uplinks } = status;
  const { sentence } = judge(status);
  if (!uplinks.configured) return `${sentence}\n`;
  const facts = [
    ["enrolment", uplinks.enrolment],
    ["active", uplinks.active ?? "none"],
    ["standby", uplinks.standby ?? "none"],
    ["last receipt", age(uplinks.lastReceiptS)],
    ...(uplinks.speaker === null ? [] : [["BFD speaker", uplinks.speaker]]),
  ];
  const stopped = uplinks.stopped.map(({ lane, epoch, why }) => `stopped: ${lane}, epoch ${epoch}: ${why}\n`).join("");
  return [
    `${sentence}\n\n`,
    formatTable(facts),
    stopped,
    ...uplinks.paths.map(formatPath),
    formatSwitches(uplinks),
  ].join("");
}

function formatPath(path: PathStatus): string {
  const rows = [
    ["  role", `${path.role}, ${path.standing}: ${path.why}`],
    ["  endpoint", path.source === null ? path.endpoint : `${path.endpoint} from ${path.source}`],
    ["  watcher", formatWatch(path)],
    ["  session", path.session],
    ["  round trip", path.roundTripMs === null ? "-" : formatDuration(path.roundTripMs)],
    ["  in flight", `${path.requestsInFlight} requests, ${formatBytes(path.bytesInFlight)}`],
    ["  sent", `${formatCount(path.sentRecords)} records; ${formatBytes(path.usedBytes)} on the wire`],
    ["  last receipt", age(path.lastReceiptS)],
    ["  flap penalty", formatCount(path.flapPenalty)],
  ];
  if (path.metered !== null) {
    rows.push([
      "  budget",
      `${formatBytes(path.metered.usedBytes)} used, ${formatBytes(path.metered.leftBytes)} left this month`,
    ]);
  }
  if (path.lastError !== null) rows.push(["  last error", path.lastError]);
  return `\n${path.name}\n${formatTable(rows)}`;
}

function formatWatch({ liveness, watch }: PathStatus): string {
  if (watch === null) return liveness;
  const detected = watch.detectedInMs === null ? "" : `, last detected in ${formatDuration(watch.detectedInMs)}`;
  const mode = watch.pace === "slow" ? `${watch.mode}, slow while on standby` : watch.mode;
  return `${liveness}; BFD ${mode}: ${watch.why}; ${formatCount(watch.downs)} times down${detected}`;
}

function formatSwitches({ switches }: UplinksStatus): string {
  if (switches.length === 0) return "";
  const rows = switches.map((one) => [
    age(one.agoS),
    `${one.from ?? "none"} to ${one.to ?? "none"}`,
    one.detectedInMs === null ? "" : `detected in ${formatDuration(one.detectedInMs)}`,
    `${formatCount(one.framesResent)} resent`,
    one.why,
  ]);
  return `\nswitches, newest first\n${formatTable(rows)}`;
}

function age(seconds: number | null): string {
  return seconds === null ? "none yet" : `${formatDuration(seconds * 1000)} ago`;
}
