import { formatDuration } from "@paddock/base/duration.ts";
import { PROFILES, sessionBytes } from "./profiles.ts";
import type { SessionReport, SpeakerReport } from "./speaker-events.ts";

/** The sessions of a speaker for people. `wallMs` is now. */
export function statusTable(report: SpeakerReport, wallMs: number): string {
  const rows = [
    ["SESSION", "KIND", "STATE", "FOR", "LAST PACKET", "SEND", "DETECT", "RTT", "LOST", "UP/DOWN", "DIAGNOSTIC"],
    ...report.sessions.map((session) => sessionRow(session, wallMs)),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  const refused = counts(report.refused);
  lines.push(
    "",
    `Stalls of this process: worst ${formatDuration(report.stalls.worstMs)}, last minute ${formatDuration(report.stalls.worstLastMinuteMs)}.`,
    `Datagrams without a session: ${refused === "" ? "none" : refused}.`,
  );
  return lines.join("\n");
}

function sessionRow(session: SessionReport, wallMs: number): string[] {
  const relaxed = session.relaxedFromMs === null ? "" : ` (configured ${session.relaxedFromMs})`;
  const diagnostic = session.diagnostic === "none" ? "" : session.diagnostic;
  const refused = counts(session.refused);
  const transport = counts(session.socketErrors);
  const never = session.neverUpForMs === null ? "" : `never up for ${formatDuration(session.neverUpForMs)}`;
  return [
    session.name,
    session.kind,
    session.liveness === session.state ? session.state : `${session.state} (${session.liveness})`,
    formatDuration(Math.max(0, wallMs - session.since)),
    session.sinceLastPacketMs === null ? "never" : formatDuration(session.sinceLastPacketMs),
    `${session.transmitIntervalMs} ms${relaxed}`,
    `${session.detectionTimeMs} ms`,
    session.rttMs === null ? "" : formatDuration(session.rttMs),
    session.lossLastMinute === null ? "" : `${(session.lossLastMinute * 100).toFixed(1)} %`,
    `${session.ups}/${session.downs}`,
    [diagnostic, never, strangerHint(session), refused, transport].filter((part) => part !== "").join("; "),
  ];
}

/** Names the likeliest reason for silence: the neighbour's packets come from where nobody expects them. */
function strangerHint({ strangerAddress, remote }: SessionReport): string {
  return strangerAddress === null ? "" : `packets come from ${strangerAddress}, not from ${remote}`;
}

function counts(counters: Readonly<Record<string, number>>): string {
  return Object.entries(counters)
    .map(([cause, count]) => `${cause} ${count}`)
    .join(", ");
}

/** The profiles with what they cost, for `paddock bfd profiles`. */
export function profileTable(): string {
  const lines = Object.entries(PROFILES).map(([name, { intervalMs, detectMult }]) => {
    const megabytes = sessionBytes(intervalMs) / 1e6;
    const cost = megabytes >= 1000 ? `${(megabytes / 1000).toFixed(2)} GB` : `${megabytes.toFixed(0)} MB`;
    return `${name.padEnd(8)} every ${intervalMs} ms, down after ${intervalMs * detectMult} ms, ${cost} in 30 days both ways`;
  });
  return lines.join("\n");
}
