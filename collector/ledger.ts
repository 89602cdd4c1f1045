import type { ChainStore } from "@paddock/store/chain-store.ts";

/** What the collector needs of the store that holds everyone's chains. */
export type Ledger = Pick<
  ChainStore,
  | "append"
  | "chain"
  | "chains"
  | "damage"
  | "duties"
  | "logEnd"
  | "logIncarnation"
  | "logOffsetAt"
  | "onLog"
  | "read"
  | "readHeaders"
  | "readLog"
  | "side"
  | "usage"
  | "verify"
  | "verifyLog"
>;
