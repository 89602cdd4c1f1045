import type { DirectiveOutcome } from "@paddock/wire/gateway-record.ts";
import { isFinal, isOffered, type Rollout } from "./machine.ts";

/** A rollout as the operator sees it: without the document, which may hold secrets. */
export interface RolloutReport {
  /** `config 7`, `release 1.2.3`. */
  readonly subject: string;
  /** First keys of the document. */
  readonly changes: readonly string[];
  readonly phase: Rollout["phase"];
  readonly why: string;
  readonly rings: readonly number[];
  /** From 0. */
  readonly ring: number;
  readonly applied: number;
  readonly failed: number;
  /** Neither of both so far. */
  readonly waiting: number;
  readonly gateways: readonly {
    readonly id: string;
    readonly label: string;
    /** Whether it gets the directive when it asks. */
    readonly offered: boolean;
    readonly outcome: DirectiveOutcome | null;
    readonly reason: string;
  }[];
}

export function rolloutReport(rollout: Rollout, labelOf: (gateway: string) => string): RolloutReport {
  const { body, phase, why, rings, ring, gateways } = rollout;
  const applied = gateways.filter(({ outcome }) => outcome === "applied").length;
  const ended = gateways.filter(isFinal).length;
  return {
    subject: body.kind === "config" ? `config ${body.revision}` : `release ${body.version}`,
    changes: body.kind === "config" ? Object.keys(JSON.parse(body.document) as object) : [],
    phase,
    why,
    rings,
    ring,
    applied,
    failed: ended - applied,
    waiting: gateways.length - ended,
    gateways: gateways.map(({ id, outcome, reason }) => ({
      id,
      label: labelOf(id),
      offered: isOffered(rollout, id),
      outcome,
      reason,
    })),
  };
}
