import type { Shortage } from "@paddock/store/types.ts";

/** How far a collector is: gateways are served in `serving` alone. */
export type Stage = "starting" | "serving" | "stopping" | "failed";

const STAGES: Readonly<Record<Exclude<Stage, "serving">, string>> = {
  starting: "The collector starts: gateways cannot reach it yet.",
  stopping: "The collector stops: uploads under way are finished, new ones are turned away.",
  failed: "The ledger could not be written: the process ends, and the next start finds out what is on disk.",
};

/** Why uploads are not taken, in words for who probes; undefined while they are. Pure. */
export function unreadiness(stage: Stage, shortage: Shortage | undefined): string | undefined {
  if (stage !== "serving") return STAGES[stage];
  switch (shortage?.cause) {
    case "quota":
      return `The ledger is full: it holds ${shortage.heldBytes} of ${shortage.maxBytes} bytes. Make room, or raise store.maxBytes.`;
    case "disk":
      return `The disk is full: ${shortage.freeBytes} bytes are free, and store.minFreeBytes keeps ${shortage.minFreeBytes}. Make room.`;
    default:
      return undefined;
  }
}
