import { formatDuration } from "@paddock/base/duration.ts";
import { formatBytes, plural } from "../cli/format.ts";
import type { BufferStatus, GatewayStatus, LaneStatus, PathStatus, UplinksStatus } from "./status.ts";

/** ok: nothing to do. attention: somebody should look. broken: readings are refused or cannot arrive. */
export type VerdictLevel = "ok" | "attention" | "broken";

export interface Problem {
  readonly level: VerdictLevel;
  readonly text: string;
  /** The command to type next. */
  readonly next: string;
}

export interface Verdict {
  readonly level: VerdictLevel;
  /** One sentence. */
  readonly sentence: string;
  /** The worst first. */
  readonly problems: readonly Problem[];
}

const EXIT_CODES = { ok: 0, attention: 1, broken: 2 } as const;

export function exitCodeOf(level: VerdictLevel): number {
  return EXIT_CODES[level];
}

/** A path that is missing for less than this is a switch on its way. */
const NO_PATH_GRACE_S = 5;
/** A path that does not work for less than this comes back by itself, as when the collector starts again. */
const TROUBLE_GRACE_S = 15;
/** A backlog that clears within this is none: frames are always on their way. */
const BACKLOG_S = 2;
/** No receipt for this long while frames wait: the uplink is up and gets nowhere. */
const NO_PROGRESS_S = 60;

const STOPPING = "Stopping: no new frames are taken.";

/** What the numbers mean. Pure. */
export function judge(status: GatewayStatus): Verdict {
  const problems = [...broken(status), ...attention(status)].toSorted(
    (a, b) => EXIT_CODES[b.level] - EXIT_CODES[a.level],
  );
  const level = problems[0]?.level ?? "ok";
  return { level, sentence: sentenceOf(status), problems };
}

/** Why a gateway does not take every frame, for who probes it; undefined while it does. Pure. */
export function unreadiness(status: Pick<GatewayStatus, "stopping" | "lanes" | "buffer">): string | undefined {
  if (status.stopping) return STOPPING;
  const [refusal] = refusing(status);
  return refusal?.text;
}

function sentenceOf(status: GatewayStatus): string {
  const { buffer, uplinks, lanes } = status;
  const held = `${plural(buffer.pendingRecords, "frame")}, ${formatBytes(buffer.pendingBytes)} of ${formatBytes(buffer.maxBytes)}`;
  if (status.stopping) return STOPPING;
  const full = lanes.filter((lane) => lane.full);
  if (diskIsShort(buffer))
    return `Refusing ${laneList(full) || "new"} frames: the disk is full (${roomOf(buffer)}); ${held}.`;
  if (full.length > 0) return `Refusing ${laneList(full)} frames: the store is full (${held}).`;
  if (!uplinks.configured) return `Buffering only, as no collector is configured: ${held}.`;
  if (uplinks.enrolment === "denied") return `Buffering: the collector's operator denied this gateway; ${held}.`;
  if (uplinks.enrolment === "pending")
    return `Buffering: waiting for the collector's operator to approve this gateway; ${held}.`;
  const stopped = stoppedNow(status);
  if (stopped.length > 0) return `Not forwarding ${laneList(stopped)}: the collector refuses the chain; ${held}.`;
  if (uplinks.active === null) return `Buffering: no path to the collector${since(uplinks.withoutPathS)}; ${held}.`;
  if (stuck(status))
    return `Stuck on ${uplinks.active}: no receipt for ${formatDuration(uplinks.lastReceiptS! * 1000)}; ${held}.`;
  const backlog = backlogOf(status);
  if (backlog === 0 && uplinks.stopped.length > 0)
    return `Forwarding live on ${uplinks.active}; frames of ${laneList(uplinks.stopped)} stay in an older epoch, which the collector refuses.`;
  if (backlog === 0) return `Forwarding live on ${uplinks.active}; backlog 0.`;
  const eta =
    buffer.drainRecordsPerS > 0 ? `, done in about ${formatDuration((backlog / buffer.drainRecordsPerS) * 1000)}` : "";
  return `Forwarding on ${uplinks.active}; backlog ${plural(backlog, "frame")}${eta}.`;
}

/** The disk and not the quota decides; so it stays until there is room, whether frames come or not. */
function diskIsShort({ freeDiskBytes, minFreeBytes }: BufferStatus): boolean {
  return freeDiskBytes < minFreeBytes;
}

function roomOf({ freeDiskBytes, minFreeBytes }: BufferStatus): string {
  return `${formatBytes(freeDiskBytes)} free, and store.minFreeBytes keeps ${formatBytes(minFreeBytes)}`;
}

function since(seconds: number | null): string {
  return seconds === null || seconds < 1 ? "" : ` for ${formatDuration(seconds * 1000)}`;
}

/** Frames that wait longer than frames on their way do. */
function backlogOf({ buffer, ingest }: GatewayStatus): number {
  const onTheirWay = Math.max(100, ingest.acceptedFramesPerS * BACKLOG_S);
  return buffer.pendingRecords <= onTheirWay ? 0 : buffer.pendingRecords;
}

function stuck({ uplinks, buffer }: GatewayStatus): boolean {
  return buffer.pendingRecords > 0 && uplinks.lastReceiptS !== null && uplinks.lastReceiptS > NO_PROGRESS_S;
}

/** Refused chains that new frames still go into. */
function stoppedNow({ uplinks, lanes }: GatewayStatus): UplinksStatus["stopped"] {
  return uplinks.stopped.filter(({ lane, epoch }) => lanes.find((one) => one.lane === lane)?.epoch === epoch);
}

/** Of whom frames are refused, for want of room. */
function* refusing({ lanes, buffer }: Pick<GatewayStatus, "lanes" | "buffer">): Iterable<Problem> {
  if (diskIsShort(buffer)) {
    const text = `The disk is full: ${roomOf(buffer)}. New frames are refused until there is room.`;
    yield { level: "broken", text, next: "paddock gateway buffer" };
  }
  for (const lane of diskIsShort(buffer) ? [] : lanes.filter(({ full }) => full)) {
    const text = `Lane ${lane.lane} refuses new frames: the store is full and nothing may be given up for them.`;
    yield { level: "broken", text, next: "paddock gateway buffer" };
  }
}

function* broken(status: GatewayStatus): Iterable<Problem> {
  const { uplinks } = status;
  yield* refusing(status);
  if (uplinks.enrolment === "denied") {
    const text = "The collector's operator denied this gateway.";
    yield { level: "broken", text, next: `paddock collector approve ${status.id}` };
  }
  for (const { lane, epoch, why } of stoppedNow(status)) {
    const text = `The collector refuses lane ${lane}, epoch ${epoch}: ${why}`;
    yield { level: "broken", text, next: `paddock gateway chain verify --lane ${lane}` };
  }
}

function* attention(status: GatewayStatus): Iterable<Problem> {
  const { uplinks, lanes, ingest, clock } = status;
  const now = stoppedNow(status);
  for (const text of status.notices) yield { level: "attention", text, next: "cat /config/config-errors.txt" };
  for (const { lane, epoch, why } of uplinks.stopped.filter((chain) => !now.includes(chain))) {
    const text = `Frames of lane ${lane} stay in epoch ${epoch}, which the collector refuses: ${why}`;
    yield { level: "attention", text, next: `paddock gateway chain verify --lane ${lane}` };
  }
  if (status.stopping) yield { level: "attention", text: "The gateway is stopping.", next: "paddock gateway status" };
  if (uplinks.enrolment === "pending") {
    const claim = uplinks.claimNotTaken ? " It did not take the claim code (collector.claim)." : "";
    const text = `The collector waits for its operator to approve this gateway.${claim}`;
    yield { level: "attention", text, next: `paddock collector approve ${status.id}` };
  }
  const withoutPath = uplinks.withoutPathS ?? 0;
  if (uplinks.configured && uplinks.active === null && withoutPath >= NO_PATH_GRACE_S) {
    const text = `No path to the collector${since(withoutPath)}.`;
    yield { level: "attention", text, next: "paddock gateway uplinks" };
  } else if (uplinks.active !== null && stuck(status)) {
    const text = `Path ${uplinks.active} is up, yet no receipt comes.`;
    yield { level: "attention", text, next: "paddock gateway uplinks" };
  }
  if (uplinks.speaker === "gone") {
    const text = "The BFD speaker cannot be reached: nobody watches the paths, and receipts alone decide.";
    yield { level: "attention", text, next: "paddock gateway uplinks" };
  }
  for (const path of uplinks.paths) {
    const text = troubleOf(path);
    if (text !== undefined) yield { level: "attention", text, next: "paddock gateway uplinks" };
  }
  for (const { name, route } of uplinks.paths) {
    if (typeof route?.problem !== "string") continue;
    yield { level: "attention", text: `Path ${name}: ${route.problem}.`, next: "paddock gateway uplinks" };
  }
  for (const lane of lanes.filter(({ evictedRecords }) => evictedRecords > 0)) {
    const text = `Lane ${lane.lane} gave up ${plural(lane.evictedRecords, "record")} (${formatBytes(lane.evictedBytes)}) for want of room since the start.`;
    yield { level: "attention", text, next: "paddock gateway buffer" };
  }
  for (const { text, next } of ingest.sensorsProblems) yield { level: "attention", text, next };
  if (ingest.kernelDrops > 0) yield dropped(ingest);
  if (clock.quality === "unset") {
    yield {
      level: "attention",
      text: "The clock was never set; readings are dated by the boot alone.",
      next: "timedatectl",
    };
  }
}

/** Why a path is not usable or not watched as configured, since when, and what to do; undefined while all is well. */
function troubleOf({ name, liveness, why, trouble }: PathStatus): string | undefined {
  const longEnough = trouble !== null && trouble.forS >= TROUBLE_GRACE_S;
  // What BFD says of a path that is down is as good a reason, and comes sooner.
  if (liveness === "down" && !(longEnough && trouble.why.startsWith("BFD"))) return `Path ${name}: ${why}.`;
  if (!longEnough) return undefined;
  return `Path ${name}: ${trouble.why}, for ${formatDuration(trouble.forS * 1000)}: ${trouble.remedy}.`;
}

function dropped({ kernelDrops, receiveBufferBytes, receiveBufferWantedBytes }: GatewayStatus["ingest"]): Problem {
  const text = `The kernel dropped ${plural(kernelDrops, "datagram")} since the start`;
  if (receiveBufferBytes >= receiveBufferWantedBytes) {
    return {
      level: "attention",
      text: `${text}: more came at once than this machine takes.`,
      next: "paddock gateway sensors",
    };
  }
  const granted = `${formatBytes(receiveBufferBytes)} of ${formatBytes(receiveBufferWantedBytes)} granted`;
  const next = `sysctl -w net.core.rmem_max=${receiveBufferWantedBytes}`;
  return { level: "attention", text: `${text} for want of receive buffer (${granted}).`, next };
}

function laneList(lanes: readonly Pick<LaneStatus, "lane">[]): string {
  return [...new Set(lanes.map(({ lane }) => lane))].join(" and ");
}
