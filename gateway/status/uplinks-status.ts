import type { ForwarderStatus } from "@paddock/uplink/forward/forwarder-status.ts";
import type { PathWatch } from "../paths/path-watch.ts";
import type { UplinksStatus } from "./status.ts";

export const NO_UPLINKS: UplinksStatus = {
  configured: false,
  enrolment: "unknown",
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
  watch: Pick<PathWatch, "status" | "speakerConnected"> | undefined,
  withoutPathS: number | null,
  wallMs: number,
): UplinksStatus {
  return {
    configured: true,
    enrolment: status.enrolment === "assumed" ? "unknown" : status.enrolment,
    active: status.active ?? null,
    standby: status.standby ?? null,
    withoutPathS,
    lastReceiptS: secondsOf(status.lastReceiptAgeMs),
    paths: status.paths.map((path) => ({
      name: path.name,
      endpoint: path.endpoint,
      source: path.source ?? null,
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
      metered:
        path.metered === undefined ? null : { usedBytes: path.metered.usedBytes, leftBytes: path.metered.leftBytes },
      sentRecords: path.delivered.records,
      usedBytes: path.delivered.bytes,
      lastReceiptS: secondsOf(path.lastReceiptAgeMs),
      lastError: path.lastError ?? null,
    })),
    speaker: watch === undefined ? null : watch.speakerConnected ? "connected" : "gone",
    stopped: status.chains.flatMap(({ lane, epoch, stoppedWhy }) =>
      stoppedWhy === undefined ? [] : [{ lane, epoch, why: stoppedWhy }],
    ),
    switches: status.switches.map(({ from, to, why, detectedInMs, framesResent, wallMs: at }) => ({
      agoS: Math.max(0, (wallMs - at) / 1000),
      from: from ?? null,
      to: to ?? null,
      why,
      detectedInMs: detectedInMs ?? null,
      framesResent,
    })),
  };
}

function secondsOf(ms: number | undefined): number | null {
  return ms === undefined ? null : ms / 1000;
}
