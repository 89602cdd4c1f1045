import { formatDuration } from "@paddock/base/duration.ts";
import { formatBytes, formatCount, formatTable } from "@paddock/gateway/cli/format.ts";
import type { GatewayStatus, PathStatus } from "@paddock/gateway/status/status.ts";
import type { Counts, Rates } from "./counts.ts";
import type { Line } from "./screen.ts";

/** What there is to show at one moment. */
export interface Scene {
  readonly elapsedS: number;
  readonly totalS: number;
  readonly status: GatewayStatus;
  readonly counts: Counts;
  readonly rates: Rates;
  /** The most records that waited for a receipt so far. */
  readonly waitedMost: number;
  /** The link that is cut at the moment. */
  readonly cut: string | undefined;
}

const STAGES = ["received", "committed", "forwarded", "acknowledged"] as const;
const BAR_CELLS = 40;

/** The panel of a terminal. */
export function panelOf(scene: Scene): Line[] {
  const { status, counts, rates, waitedMost, cut } = scene;
  const { pendingRecords, pendingBytes } = status.buffer;
  const numbers = formatTable([
    ["", ...STAGES.map((stage) => stage.padStart(12))],
    ["frames/s", ...STAGES.map((stage) => rightAligned(rates[stage]))],
    ["in all", ...STAGES.map((stage) => rightAligned(counts[stage]))],
  ]);
  const paths = formatTable([
    ["path", "role", "standing", "watcher", "round trip", "sent"],
    ...status.uplinks.paths.map(pathRow),
  ]);
  const [stages = "", ...values] = lines(numbers);
  const [head = "", ...rows] = lines(paths);
  return [
    { text: "" },
    { text: progress(scene), tone: "strong" },
    { text: stages, tone: "quiet" },
    ...values.map((text): Line => ({ text })),
    {
      text: `buffer    ${formatCount(pendingRecords)} frames (${formatBytes(pendingBytes)}) wait for a receipt; at most ${formatCount(waitedMost)} so far`,
    },
    { text: "" },
    { text: head, tone: "quiet" },
    ...rows.map((text, index): Line => ({ text, tone: toneOf(status.uplinks.paths[index]!, cut) })),
  ];
}

/** The same in one line. */
export function plainOf({ elapsedS, status, rates, cut }: Scene): string {
  const numbers = STAGES.map((stage) => `${stage} ${formatCount(rates[stage])}`).join(", ");
  const { active, paths } = status.uplinks;
  const troubled = paths
    .filter(({ standing }) => standing !== "healthy")
    .map(({ name, standing }) => `; ${name} ${standing}`);
  const dark = cut === undefined ? "" : ` [${cut} is cut]`;
  return `${stamp(elapsedS)}  frames/s: ${numbers} | ${formatCount(status.buffer.pendingRecords)} wait | over ${active ?? "nothing"}${troubled.join("")}${dark}`;
}

/** Time of the run, as every line of the story starts with it. */
export function stamp(elapsedS: number): string {
  return `${elapsedS.toFixed(1).padStart(5)} s`;
}

function pathRow(path: PathStatus): string[] {
  return [
    path.name,
    path.role,
    path.standing,
    path.liveness === "unknown" ? "-" : path.liveness,
    (path.roundTripMs === null ? "-" : formatDuration(path.roundTripMs)).padStart(10),
    formatCount(path.sentRecords),
  ];
}

function toneOf({ name, role, standing }: PathStatus, cut: string | undefined): Line["tone"] {
  if (name === cut || standing === "doubtful" || standing === "unusable") return "bad";
  return role === "active" ? "good" : undefined;
}

function progress({ elapsedS, totalS }: Scene): string {
  const done = Math.round(BAR_CELLS * Math.min(1, elapsedS / totalS));
  const phase = elapsedS < totalS ? `${elapsedS.toFixed(0)} of ${totalS} s` : "the sensors are done";
  return `${"█".repeat(done)}${"░".repeat(BAR_CELLS - done)} ${phase}`;
}

function lines(text: string): string[] {
  return text.trimEnd().split("\n");
}

function rightAligned(value: number): string {
  return formatCount(value).padStart(12);
}
