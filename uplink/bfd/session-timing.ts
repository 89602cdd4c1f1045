import type { Random } from "@paddock/base/random.ts";
import { jitteredUs } from "./intervals.ts";
import {
  advertisedTxUs,
  detectionTimeUs,
  type SessionDraft,
  type SessionTimers,
  transmitIntervalUs,
} from "./session-state.ts";

/** When a BFD session sends and when it stops waiting: changed timers, the poll that announces them, both deadlines. */

/** RFC 5880 §6.8.3: while Up, an increase of our interval and a decrease of theirs wait for the peer's Final. */
export function changeTimers(draft: SessionDraft, timers: SessionTimers): void {
  const before = draft.timers;
  draft.timers = timers;
  if (draft.state !== "up") {
    draft.paceUs = advertisedTxUs(draft);
    draft.expectUs = timers.requiredMinRxUs;
    return;
  }
  draft.paceUs = Math.min(draft.paceUs, timers.desiredMinTxUs);
  draft.expectUs = Math.max(draft.expectUs, timers.requiredMinRxUs);
  if (timers.desiredMinTxUs === before.desiredMinTxUs && timers.requiredMinRxUs === before.requiredMinRxUs) return;
  if (draft.poll === "idle") draft.poll = "active";
  else if (draft.poll === "active") draft.poll = "active-changed";
}

/** The peer has answered our poll. */
export function finishPoll(draft: SessionDraft): void {
  if (draft.poll === "active") {
    draft.poll = "idle";
    draft.paceUs = advertisedTxUs(draft);
    draft.expectUs = draft.timers.requiredMinRxUs;
  } else if (draft.poll === "active-changed") {
    // This Final may answer a packet from before the change, so it proves nothing about the newest values.
    draft.poll = "queued";
  }
}

/** Sets both deadlines from the state; the transmission is drawn again only when its interval changed. */
export function plan(draft: SessionDraft, nowUs: number, random: Random): void {
  draft.detectAtUs =
    draft.silentSinceUs === undefined || draft.state === "admin-down"
      ? undefined
      : draft.silentSinceUs + detectionTimeUs(draft);
  if (!maySend(draft)) {
    draft.transmitAtUs = undefined;
    draft.plannedIntervalUs = undefined;
    return;
  }
  const intervalUs = transmitIntervalUs(draft);
  if (draft.transmitAtUs !== undefined && draft.plannedIntervalUs === intervalUs) return;
  draft.plannedIntervalUs = intervalUs;
  // The first packet of all is not put off by a slower pace: nothing is known until it is answered.
  if (draft.transmitAtUs !== undefined && draft.lastSentUs === undefined) return;
  const dueUs = (draft.lastSentUs ?? nowUs) + jitteredUs(intervalUs, draft.timers.detectMult, random);
  draft.transmitAtUs = Math.max(nowUs, dueUs);
}

/** Whether periodic packets are allowed at all (RFC 5880 §6.8.7). */
export function maySend(draft: SessionDraft): boolean {
  if (draft.passive && draft.remote.discriminator === 0) return false;
  if (draft.remote.requiredMinRxUs === 0) return false;
  const quietByDemand = draft.remote.demand && draft.state === "up" && draft.remote.state === "up";
  return !quietByDemand || draft.poll !== "idle";
}

/**
 * The next transmission after a packet of `steppedUs` that left at `leftUs` only: a process that was stopped between its
 * clock and its socket must not send two packets closer than the interval allows (RFC 5880 §6.8.7).
 */
export function afterLeaving<
  State extends { readonly lastSentUs: number | undefined; readonly transmitAtUs: number | undefined },
>(state: State, steppedUs: number, leftUs: number): State {
  if (state.lastSentUs !== steppedUs || state.transmitAtUs === undefined) return state;
  return { ...state, lastSentUs: leftUs, transmitAtUs: state.transmitAtUs + (leftUs - steppedUs) };
}
