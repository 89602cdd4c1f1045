import type { DirectiveOutcome } from "@paddock/wire/gateway-record.ts";

/**
 * A rollout: one change or release for many gateways, ring after ring. Pure. A ring waits for the answers of its gateways
 * before the next begins, and too many failures stop all of it.
 */

export type RolloutBody =
  | { readonly kind: "config"; readonly revision: number; readonly document: string }
  /** `manifestSha256` in hex. */
  | { readonly kind: "release"; readonly url: string; readonly version: string; readonly manifestSha256: string };

export interface RolloutGateway {
  readonly id: string;
  /** Id of its directive, hex. */
  readonly directive: string;
  /** What it answered last; null: nothing yet. */
  readonly outcome: DirectiveOutcome | null;
  readonly reason: string;
}

export interface Rollout {
  readonly phase: "running" | "paused" | "stopped" | "done";
  /** Why it is not running, for a person. */
  readonly why: string;
  readonly body: RolloutBody;
  /** Unix ms: of all its directives, and from which on none of them may begin. */
  readonly issued: number;
  readonly notAfter: number;
  /** How many gateways have it when a ring is complete, ascending; the last has all. */
  readonly rings: readonly number[];
  /** Index of the ring that is under way, and Unix ms since when. */
  readonly ring: number;
  readonly ringSince: number;
  /** More failures than this stop it. */
  readonly failuresMax: number;
  /** Ms after which a ring goes on without those that were not heard of, and those that still try have failed. */
  readonly withinMs: number;
  /** In the order of their turns. */
  readonly gateways: readonly RolloutGateway[];
}

export type RolloutEvent =
  | {
      readonly kind: "look";
      readonly nowMs: number;
      /** What is known of directives, by their id. */
      readonly answers: ReadonlyMap<string, { readonly outcome: DirectiveOutcome; readonly reason: string }>;
    }
  | { readonly kind: "pause" }
  | { readonly kind: "resume"; readonly nowMs: number }
  | { readonly kind: "stop" };

const FAILURES: ReadonlySet<DirectiveOutcome | null> = new Set(["refused", "reverted", "failed"] as const);

/** The rollout after the event; the same object when nothing changes. */
export function advanceRollout(rollout: Rollout, event: RolloutEvent): Rollout {
  switch (event.kind) {
    case "pause":
      return rollout.phase === "running" ? { ...rollout, phase: "paused", why: "the operator paused it" } : rollout;
    case "resume":
      return rollout.phase === "paused" ? { ...rollout, phase: "running", why: "", ringSince: event.nowMs } : rollout;
    case "stop":
      return rollout.phase === "running" || rollout.phase === "paused"
        ? { ...rollout, phase: "stopped", why: "the operator stopped it" }
        : rollout;
    case "look":
      return look(heard(rollout, event.answers), event.nowMs);
  }
}

/** Whether the directive of this gateway is to be given out. */
export function isOffered({ phase, gateways, rings, ring }: Rollout, gateway: string): boolean {
  const at = gateways.findIndex(({ id }) => id === gateway);
  const open = phase === "running" || phase === "done";
  return open && at >= 0 && at < rings[ring]! && !isFinal(gateways[at]!);
}

export function isFinal({ outcome }: Pick<RolloutGateway, "outcome">): boolean {
  return outcome !== null && outcome !== "trying";
}

/** Answers count whatever the phase: what was given out goes on. */
function heard(rollout: Rollout, answers: (RolloutEvent & { kind: "look" })["answers"]): Rollout {
  let changed = false;
  const gateways = rollout.gateways.map((gateway) => {
    const answer = answers.get(gateway.directive);
    if (answer === undefined || answer.outcome === gateway.outcome) return gateway;
    changed = true;
    return { ...gateway, outcome: answer.outcome, reason: answer.reason };
  });
  return changed ? { ...rollout, gateways } : rollout;
}

function look(rollout: Rollout, nowMs: number): Rollout {
  if (rollout.phase !== "running") return rollout;
  const { gateways, rings, ring, ringSince, withinMs, failuresMax } = rollout;
  const begun = gateways.slice(0, rings[ring]);
  const isLate = nowMs - ringSince >= withinMs;
  const failed = begun.filter(({ outcome }) => FAILURES.has(outcome) || (isLate && outcome === "trying"));
  if (failed.length > failuresMax) {
    const [{ id, reason, outcome }] = failed as [RolloutGateway];
    const why = `${failed.length} of ${begun.length} gateways failed in ring ${ring + 1}: ${id.slice(0, 12)} ${outcome}${reason === "" ? "" : `, ${reason}`}`;
    return { ...rollout, phase: "stopped", why };
  }
  const worked = begun.some(({ outcome }) => outcome === "applied");
  // A ring of which nobody was heard shows nothing: the next one waits.
  if (!begun.every(isFinal) && !(isLate && worked)) return rollout;
  if (ring + 1 < rings.length) return { ...rollout, ring: ring + 1, ringSince: nowMs };
  return { ...rollout, phase: "done", why: "" };
}

/**
 * Sizes of rings for `total` gateways out of `1,5%,25%,100%`; the last has all of them. Undefined for what is no such list,
 * ascending from 1.
 */
export function ringsOf(text: string, total: number): number[] | undefined {
  const rings: number[] = [];
  for (const part of text.split(",")) {
    const [, number, percent] = /^\s*(\d{1,7})(%?)\s*$/u.exec(part) ?? [];
    if (number === undefined) return undefined;
    const size = percent === "%" ? Math.ceil((total * Number(number)) / 100) : Number(number);
    if (size < 1 || (percent === "%" && Number(number) > 100)) return undefined;
    const capped = Math.min(total, size);
    if (capped < (rings.at(-1) ?? 0)) return undefined;
    if (capped !== rings.at(-1)) rings.push(capped);
  }
  return rings.at(-1) === total ? rings : [...rings, total];
}
