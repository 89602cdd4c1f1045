import type { Random } from "@paddock/base/random.ts";
import type { BfdState } from "@paddock/wire/bfd-packet.ts";
import {
  probeDetectionTimeUs,
  probeIntervalUs,
  type ProbeOptions,
  probeWakeAtUs,
  startProbe,
  stepProbe,
} from "./probe.ts";
import {
  detectionTimeUs,
  receiveIntervalUs,
  sessionCondition,
  type SessionOptions,
  startSession,
  transmitIntervalUs,
  wakeAtUs,
} from "./session-state.ts";
import { type SessionEvent, type SessionOutput, step } from "./session.ts";
import { afterLeaving } from "./session-timing.ts";

/** What every kind of session tells about itself; times in microseconds. */
export interface MachineView {
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly condition: "up" | "down" | "admin-down";
  readonly remoteState: BfdState | undefined;
  readonly remoteDiagnostic: number | undefined;
  readonly remoteDiscriminator: number;
  readonly transmitIntervalUs: number;
  /** The longest time between two packets of the far end; for a probe, of its answers. */
  readonly receiveIntervalUs: number;
  readonly detectionTimeUs: number;
  readonly lastReceivedUs: number | undefined;
  /** Measured where the far end only sends packets back. */
  readonly rttUs: number | undefined;
}

/** Holds the state of one pure machine, so that the speaker treats all kinds alike. */
export interface Machine {
  step(event: SessionEvent, nowUs: number): readonly SessionOutput[];
  /** Says that what the step of `steppedUs` had to send was given to the kernel by `leftUs`. */
  sent(steppedUs: number, leftUs: number): void;
  wakeAtUs(): number | undefined;
  /** When silence becomes a failure, if nothing comes before. */
  detectAtUs(): number | undefined;
  view(): MachineView;
}

export function sessionMachine(options: SessionOptions, nowUs: number, random: Random): Machine {
  let state = startSession(options, nowUs, random);
  return {
    step(event, atUs) {
      const next = step(state, event, atUs, random);
      state = next.state;
      return next.outputs;
    },
    sent: (steppedUs, leftUs) => (state = afterLeaving(state, steppedUs, leftUs)),
    wakeAtUs: () => wakeAtUs(state),
    detectAtUs: () => state.detectAtUs,
    view: () => ({
      state: state.state,
      diagnostic: state.diagnostic,
      condition: sessionCondition(state),
      remoteState: state.remote.state,
      remoteDiagnostic: state.remote.diagnostic,
      remoteDiscriminator: state.remote.discriminator,
      transmitIntervalUs: transmitIntervalUs(state),
      receiveIntervalUs: receiveIntervalUs(state),
      detectionTimeUs: detectionTimeUs(state),
      lastReceivedUs: state.lastReceivedUs,
      rttUs: undefined,
    }),
  };
}

export function probeMachine(options: ProbeOptions, nowUs: number, random: Random): Machine {
  let state = startProbe(options, nowUs, random);
  return {
    step(event, atUs) {
      const next = stepProbe(state, event, atUs, random);
      state = next.state;
      return next.outputs;
    },
    sent: (steppedUs, leftUs) => (state = afterLeaving(state, steppedUs, leftUs)),
    wakeAtUs: () => probeWakeAtUs(state),
    detectAtUs: () => state.detectAtUs,
    view: () => ({
      state: state.state,
      diagnostic: state.diagnostic,
      condition:
        state.state === "up" ? "up" : state.state === "admin-down" || state.remoteDisabled ? "admin-down" : "down",
      remoteState: undefined,
      remoteDiagnostic: undefined,
      remoteDiscriminator: state.remoteDiscriminator,
      transmitIntervalUs: probeIntervalUs(state),
      receiveIntervalUs: probeIntervalUs(state),
      detectionTimeUs: probeDetectionTimeUs(state),
      lastReceivedUs: state.lastReceivedUs,
      rttUs: state.rttUs,
    }),
  };
}
