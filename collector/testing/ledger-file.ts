import { join } from "node:path";
import { systemClock } from "@paddock/base/clock.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { testConfig } from "./test-collector.ts";

/** The ledger of a stopped test collector, to look into it or to change it behind its back. */
export function openLedger(dataDir: string): Promise<ChainStore> {
  return ChainStore.open({
    directory: join(dataDir, "ledger"),
    ...testConfig(dataDir).store,
    arrivalLog: true,
    outOfOrder: true,
    clock: systemClock,
  });
}
