import { diagnosticName } from "@paddock/wire/bfd-packet.ts";
import type { MachineView } from "./machine.ts";
import type { SessionReason } from "./session.ts";
import type { StateEvent } from "./speaker-events.ts";
import type { SpeakerSession } from "./speaker-session.ts";

export interface StateChange {
  readonly from: StateEvent["from"];
  readonly to: StateEvent["to"];
  readonly reason: SessionReason | "neighbor-disabled";
  readonly sinceLastPacketUs?: number | undefined;
}

/** Puts a change of state into the session's counters and into words. `before` is the view before the change. */
export function recordChange(
  session: SpeakerSession,
  before: MachineView,
  change: StateChange,
  stalledUs: number,
  wallMs: number,
): StateEvent {
  const { from, to, reason, sinceLastPacketUs } = change;
  const view = session.machine.view();
  session.sinceWallMs = wallMs;
  if (to === "up") {
    session.everUp = true;
    session.ups++;
  }
  const lost = from === "up" && to === "down";
  if (lost) session.loss.clear();
  const event: StateEvent = {
    event: "state",
    name: session.spec.name,
    owner: session.spec.owner,
    at: wallMs,
    from,
    to,
    liveness: session.liveness(),
    reason,
    diagnostic: diagnosticName(view.diagnostic),
    remoteDiagnostic: view.remoteDiagnostic === undefined ? null : diagnosticName(view.remoteDiagnostic),
    detectedInMs: lost && sinceLastPacketUs !== undefined ? sinceLastPacketUs / 1000 : null,
    detectionTimeMs: lost ? before.detectionTimeUs / 1000 : to === "up" ? view.detectionTimeUs / 1000 : null,
    stalledMs: stalledUs / 1000,
  };
  if (lost) {
    session.downs++;
    session.lastDown = event;
  }
  return event;
}
