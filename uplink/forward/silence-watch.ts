import type { Lane } from "@paddock/wire/lanes.ts";
import { closeSession, decide, patchSession, type Draft } from "./forward-draft.ts";
import type { SessionState } from "./forward-state.ts";

/** Request and answer on the path that carries traffic: what waits for the longest time, and for how long nothing came. */
interface Silence {
  readonly path: string;
  readonly lane: Lane;
  readonly epoch: number;
  /** Since the newest answer came, or the oldest request that waits should have been answered. */
  readonly sinceMs: number;
}

/** A small question on another path, whose answer shows that the silence is the first one's fault. */
export interface Trial {
  readonly path: string;
  readonly atMs: number;
}

/** Above so much of the usual time from request to answer silence counts against a path: a repeated segment takes as long. */
const USUAL_TIMES = 0.7;
const USUAL_ROOM_MS = 100;
/** The usual time follows what is measured so slowly, and from so near, that a fault does not become usual. */
const USUAL_OVER_MS = 20_000;
const USUAL_STEP_MS = 1000;
const USUAL_TIMES_MAX = 3;
/** Of the silence that counts, so much is forgotten in each ms that passes. */
const FORGETS = 0.2;
const SILENCE_MIN_MS = 750;
const SILENCE_TRIPS = 1;
/** A question that was not answered by then is asked again. */
const TRIAL_LIMIT_MS = 1500;

/**
 * Notices that the path that carries traffic swallows most of it, although its watcher finds it up: TCP may be dead, or
 * most of its segments lost, where small datagrams pass. Silence beyond what is usual there adds up and is forgotten
 * slowly, so that answers that come now and then between long pauses do not hide it; then one small question goes out
 * over the next path. Only if that is answered while the silence goes on the path is left. So neither a slow path nor a
 * collector that has stopped makes traffic move.
 */
export function watchSilence(draft: Draft): void {
  const silence = silenceOnActive(draft);
  if (silence === undefined) return;
  const { path, lane, epoch } = silence;
  const session = draft.sessions.get(path)!;
  const { nowMs } = draft.input;
  if (nowMs < enoughAtMs(session, silence) || nowMs < (session.trial?.atMs ?? -TRIAL_LIMIT_MS) + TRIAL_LIMIT_MS) return;
  const other = nextPath(draft, path);
  if (other === undefined) return;
  patchSession(draft, path, { trial: { path: other, atMs: nowMs } });
  draft.actions.push({ kind: "query", path: other, lane, epoch });
}

/** When it has to look again; undefined while nothing is on its way, or nobody else could be asked. */
export function silenceWakeAtMs(draft: Draft): number | undefined {
  const silence = silenceOnActive(draft);
  if (silence === undefined || nextPath(draft, silence.path) === undefined) return undefined;
  const session = draft.sessions.get(silence.path)!;
  return Math.max(enoughAtMs(session, silence), (session.trial?.atMs ?? -TRIAL_LIMIT_MS) + TRIAL_LIMIT_MS);
}

/** An answer came over a path; `tookMs` with those that tell how long one takes. */
export function endSilence(draft: Draft, path: string, tookMs?: number): void {
  const { nowMs } = draft.input;
  const session = draft.sessions.get(path)!;
  const { usualMs, answeredMs, answers } = session;
  const learnedMs = tookMs === undefined ? usualMs : Math.min(tookMs, USUAL_TIMES_MAX * usualMs);
  const share = Math.max(1 / (answers + 2) ** 2, Math.min(USUAL_STEP_MS, nowMs - answeredMs) / USUAL_OVER_MS);
  patchSession(draft, path, {
    answeredMs: nowMs,
    silence: { ms: silenceAt(session, oldestSentMs(draft, path, tookMs), nowMs), atMs: nowMs },
    usualMs: usualMs + (learnedMs - usualMs) * share,
    answers: answers + 1,
    trial: undefined,
  });
  for (const [suspect, { trial }] of draft.sessions) if (trial?.path === path) leave(draft, suspect, path);
}

function leave(draft: Draft, suspect: string, other: string): void {
  const { nowMs } = draft.input;
  const { answeredMs } = draft.sessions.get(suspect)!;
  patchSession(draft, suspect, { trial: undefined, silence: { ms: 0, atMs: nowMs } });
  if (draft.paths.active !== suspect) return;
  const silentMs = Math.round(nowMs - answeredMs);
  decide(draft, { kind: "stalled", path: suspect, why: `no answer for ${silentMs} ms, while ${other} answers` });
  closeSession(draft, suspect, "opened anew for want of answers", nowMs);
}

function silenceOnActive(draft: Draft): Silence | undefined {
  const { active } = draft.paths;
  if (active === undefined || draft.sessions.get(active)!.status !== "open") return undefined;
  let oldest: Silence | undefined;
  for (const { path, lane, epoch, stage, sentMs } of draft.flights.values()) {
    if (path !== active || stage !== "sent" || (oldest !== undefined && oldest.sinceMs <= sentMs)) continue;
    oldest = { path, lane, epoch, sinceMs: sentMs };
  }
  const { answeredMs, usualMs } = draft.sessions.get(active)!;
  return oldest && { ...oldest, sinceMs: Math.max(oldest.sinceMs + usualMs, answeredMs) };
}

function oldestSentMs(draft: Draft, path: string, tookMs: number | undefined): number {
  let sentMs = draft.input.nowMs - (tookMs ?? 0);
  for (const flight of draft.flights.values()) {
    if (flight.path === path && flight.stage === "sent") sentMs = Math.min(sentMs, flight.sentMs);
  }
  return sentMs;
}

function graceMs({ usualMs }: SessionState): number {
  return USUAL_TIMES * usualMs + USUAL_ROOM_MS;
}

/** The silence that counts once an answer has come at `nowMs`. */
function silenceAt(session: SessionState, oldestMs: number, nowMs: number): number {
  const { silence, answeredMs, usualMs } = session;
  const before = Math.max(0, silence.ms - (nowMs - silence.atMs) * FORGETS);
  const sinceMs = Math.max(oldestMs + usualMs, answeredMs);
  return before + Math.max(0, nowMs - sinceMs - graceMs(session)) * (1 - FORGETS);
}

/** When there has been enough silence, if nothing comes. */
function enoughAtMs(session: SessionState, { sinceMs }: Silence): number {
  const { silence, lengthMs } = session;
  const countsFromMs = sinceMs + graceMs(session);
  const before = Math.max(0, silence.ms - Math.max(0, countsFromMs - silence.atMs) * FORGETS);
  const enoughMs = Math.max(SILENCE_MIN_MS, SILENCE_TRIPS * lengthMs);
  return countsFromMs + (enoughMs - before) / (1 - FORGETS);
}

/** The best other path that can be asked now. */
function nextPath(draft: Draft, path: string): string | undefined {
  const able = (name: string) => {
    const standing = draft.paths.standings.get(name);
    const works = standing === "healthy" || standing === "over-budget" || standing === "suppressed";
    return name !== path && works && draft.sessions.get(name)!.succession === undefined;
  };
  const { standby } = draft.paths;
  return standby !== undefined && able(standby) ? standby : [...draft.sessions.keys()].find(able);
}
