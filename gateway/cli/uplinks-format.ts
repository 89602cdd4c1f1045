import { formatDuration } from "@paddock/base/duration.ts";
import type { SessionReport } from "@paddock/uplink/bfd/speaker-events.ts";
import type { PathWatchStatus, SessionWatchStatus } from "../paths/path-facts.ts";
import type { RouteFinding } from "../paths/path-routes.ts";
import type { GatewayStatus, PathStatus, TransitionStatus, UplinksStatus } from "../status/status.ts";
import { judge } from "../status/verdict.ts";
import { formatBytes, formatCount, formatTable, plural } from "./format.ts";

/** What `gateway uplinks` prints. */
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
    ["  endpoint", path.endpoint],
    ...(path.source === null ? [] : [["  source", formatSource(path.source, path)]]),
    ...(path.route === null ? [] : formatRoute(path.route)),
    ...formatWatch(path),
    ["  session", path.session],
    ["  round trip", path.roundTripMs === null ? "-" : formatDuration(path.roundTripMs)],
    ["  in flight", `${path.requestsInFlight} requests, ${formatBytes(path.bytesInFlight)}`],
    ["  sent", `${formatCount(path.sentRecords)} records; ${formatBytes(path.usedBytes)} on the wire`],
    ["  last receipt", age(path.lastReceiptS)],
    ["  flap penalty", formatPenalty(path)],
  ];
  if (path.metered !== null) {
    const { usedBytes, leftBytes, budgetBytes, resetsWallMs } = path.metered;
    const until = new Date(resetsWallMs).toISOString().slice(0, 10);
    const used = `${formatBytes(usedBytes)} of ${formatBytes(budgetBytes)} used`;
    rows.push(["  budget", `${used}, ${formatBytes(leftBytes)} left until ${until}`]);
  }
  if (path.trouble !== null) {
    const { why, remedy, forS } = path.trouble;
    rows.push(["  trouble", `${why}, for ${formatDuration(forS * 1000)}; ${remedy}`]);
  }
  if (path.lastError !== null) rows.push(["  last error", path.lastError]);
  for (const [index, transition] of path.transitions.entries()) {
    rows.push([index === 0 ? "  lately" : "", formatTransition(transition)]);
  }
  return `\n${path.name}\n${formatTable(rows)}`;
}

function formatSource(source: string, { sourceAddress }: PathStatus): string {
  if (sourceAddress === null) return `${source}, which no interface has`;
  const { interface: name, prefixLength, temporary, deprecated, preferredForS, validForS } = sourceAddress;
  const kind = [temporary ? "temporary" : "", deprecated ? "deprecated" : ""].filter((word) => word !== "");
  const lives = [
    preferredForS === null || deprecated ? "" : `preferred for ${formatDuration(preferredForS * 1000)}`,
    validForS === null ? "" : `valid for ${formatDuration(validForS * 1000)}`,
  ].filter((word) => word !== "");
  return [`${source}/${prefixLength} on ${name}`, ...kind, ...lives].join(", ");
}

function formatRoute({ device, nextHop, problem }: RouteFinding): string[][] {
  const way = device === null ? "no route" : nextHop === null ? `on the link of ${device}` : `${nextHop} on ${device}`;
  return [["  next hop", way], ...(problem === null ? [] : [["", `wrong: ${problem}`]])];
}

function formatWatch({ liveness, watch }: PathStatus): string[][] {
  if (watch === null) return [["  watcher", "none: receipts alone tell"]];
  const detected = watch.detectedInMs === null ? "" : `, last detected in ${formatDuration(watch.detectedInMs)}`;
  const pace = watch.pace === "slow" ? ", slow while on standby" : "";
  return [
    ["  watcher", `${liveness}; ${watch.why}; down ${plural(watch.downs, "time")}${detected}${pace}`],
    ...watch.sessions.flatMap((session) => formatSession(session, watch)),
  ];
}

const PLACES = { firstHop: "first hop", endToEnd: "end to end" } as const;

function formatSession(session: SessionWatchStatus, { sessions }: PathWatchStatus): string[][] {
  const { scope, mode, local, remote, liveness, why, report } = session;
  const ends = local === null ? "no address to send from" : remote === null ? local : `${local} to ${remote}`;
  const reason = sessions.length === 1 ? "" : `; ${why}`;
  const head = [`  ${PLACES[scope]}`, `${liveness}, BFD ${mode}, ${ends}${reason}`];
  return report === null ? [head] : [head, ["", formatStates(report)], ["", formatPace(report)]];
}

function formatStates(report: SessionReport): string {
  const remote =
    report.remoteState === null ? "" : `, remote ${report.remoteState} (${report.remoteDiagnostic ?? "no diagnostic"})`;
  const heard =
    report.sinceLastPacketMs === null ? "no packet yet" : `last packet ${formatDuration(report.sinceLastPacketMs)} ago`;
  const never =
    report.neverUpForMs === null ? "" : `; was never up, asked for since ${formatDuration(report.neverUpForMs)}`;
  const stranger =
    report.strangerAddress === null ? "" : `; packets come from ${report.strangerAddress}, not from ${report.remote}`;
  const troubles = [
    ["refused", report.refused],
    ["socket", report.socketErrors],
  ] as const;
  const told = troubles.map(([what, counts]) => {
    const list = Object.entries(counts).map(([cause, count]) => `${cause} ${formatCount(count)}`);
    return list.length === 0 ? "" : `; ${what}: ${list.join(", ")}`;
  });
  return `local ${report.state} (${report.diagnostic})${remote}; ${heard}${never}${stranger}${told.join("")}`;
}

function formatPace(report: SessionReport): string {
  const relaxed = report.relaxedFromMs === null ? "" : ` (configured ${report.relaxedFromMs} ms)`;
  return [
    `sends every ${report.transmitIntervalMs} ms${relaxed}, expects every ${report.receiveIntervalMs} ms, down after ${report.detectionTimeMs} ms`,
    ...(report.rttMs === null ? [] : [`round trip ${formatDuration(report.rttMs)}`]),
    `lost in the last minute ${report.lossLastMinute === null ? "-" : `${(report.lossLastMinute * 100).toFixed(1)} %`}`,
    `${formatBytes(report.bytesPerDay)} a day`,
  ].join("; ");
}

function formatPenalty({ flapPenalty, suppressedForS, holdDownS }: PathStatus): string {
  const held = suppressedForS === null ? "" : `, held back for ${formatDuration(suppressedForS * 1000)}`;
  const down = holdDownS === null || holdDownS === 0 ? "" : `; hold-down ${formatDuration(holdDownS * 1000)} left`;
  return `${formatCount(flapPenalty)}${held}${down}`;
}

function formatTransition({ agoS, what, why, detectedInMs, framesResent }: TransitionStatus): string {
  const detected = detectedInMs === null ? "" : `, detected in ${formatDuration(detectedInMs)}`;
  const again = framesResent === null ? "" : `, ${formatCount(framesResent)} frames resent`;
  return `${age(agoS)}: ${what}${why === "" ? "" : `, ${why}`}${detected}${again}`;
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
