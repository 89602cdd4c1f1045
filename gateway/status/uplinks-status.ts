import type { ForwarderStatus } from "@paddock/uplink/forward/forwarder-status.ts";
import type { PathFacts, TroubleStatus } from "../paths/path-facts.ts";
import type { PathStatus, UplinksStatus } from "./status.ts";

export const NO_UPLINKS: UplinksStatus = {
  configured: false,
  enrolment: "unknown",
  claimNotTaken: false,
  active: null,
  standby: null,
  withoutPathS: null,
  lastReceiptS: null,
  paths: [],
  stopped: [],
  speaker: null,
  switches: [],
};

/** The forwarder's status in the words of the gateway's: seconds, and null for what there is not. */
export function uplinksStatus(
  status: ForwarderStatus,
  facts: PathFacts,
  withoutPathS: number | null,
  wallMs: number,
): UplinksStatus {
  const { watch } = facts;
  return {
    configured: true,
    claimNotTaken: status.claimNotTaken,
    enrolment: status.enrolment === "assumed" ? "unknown" : status.enrolment,
    active: status.active ?? null,
    standby: status.standby ?? null,
    withoutPathS,
    lastReceiptS: secondsOf(status.lastReceiptAgeMs),
    paths: status.paths.map((path): PathStatus => ({
      name: path.name,
      endpoint: facts.endpoint(path.name) ?? path.endpoint,
      source: path.source ?? null,
      sourceAddress: facts.sourceAddress(path.name),
      route: facts.route(path.name),
      role: path.role,
      standing: path.standing,
      why: path.why,
      liveness: path.liveness,
      watch: watch?.status(path.name) ?? null,
      session: path.session,
      roundTripMs: path.rttMs ?? null,
      requestsInFlight: path.requestsInFlight,
      bytesInFlight: path.bytesInFlight,
      flapPenalty: path.flapPenalty,
      suppressedForS: secondsOf(path.suppressedMs),
      holdDownS: secondsOf(path.holdDownMs),
      metered: meteredStatus(path.metered),
      sentRecords: path.delivered.records,
      usedBytes: path.delivered.bytes,
      lastReceiptS: secondsOf(path.lastReceiptAgeMs),
      lastError: path.lastError ?? null,
      trouble: troubleStatus(path.trouble) ?? watch?.status(path.name)?.trouble ?? null,
      transitions: facts.history.of(path.name).map(({ wallMs: at, what, why, detectedInMs, framesResent }) => ({
        agoS: agoS(at, wallMs),
        what,
        why,
        detectedInMs,
        framesResent,
      })),
    })),
    speaker: watch === undefined ? null : watch.speakerConnected ? "connected" : "gone",
    stopped: status.chains.flatMap(({ lane, epoch, stoppedWhy }) =>
      stoppedWhy === undefined ? [] : [{ lane, epoch, why: stoppedWhy }],
    ),
    switches: status.switches.map(({ from, to, why, detectedInMs, framesResent, wallMs: at }) => ({
      agoS: agoS(at, wallMs),
      from: from ?? null,
      to: to ?? null,
      why,
      detectedInMs: detectedInMs ?? null,
      framesResent,
    })),
  };
}

function meteredStatus(metered: ForwarderStatus["paths"][number]["metered"]): PathStatus["metered"] {
  if (metered === undefined) return null;
  const { usedBytes, leftBytes, budgetBytes, resetsAtMs } = metered;
  return { usedBytes, leftBytes, budgetBytes, resetsWallMs: resetsAtMs };
}

function troubleStatus(trouble: ForwarderStatus["paths"][number]["trouble"]): TroubleStatus | undefined {
  return trouble && { why: trouble.why, remedy: trouble.remedy, forS: trouble.forMs / 1000 };
}

function agoS(atMs: number, nowMs: number): number {
  return Math.max(0, (nowMs - atMs) / 1000);
}

function secondsOf(ms: number | undefined): number | null {
  return ms === undefined ? null : ms / 1000;
}
