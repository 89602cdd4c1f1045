import { expectAccepted } from "@paddock/base/outcome.ts";
import type { ChainStore } from "../chain-store.ts";
import type { LoggedBatch, LogLimits } from "../log-reads.ts";

/** The batches of the log from an offset on; throws where one is lost. */
export async function logged(store: ChainStore, from: number, limits: LogLimits): Promise<LoggedBatch[]> {
  return expectAccepted(await store.readLog(from, limits)).map((item) => {
    if (item.lost === undefined) return item;
    throw new Error(`lost at offset ${item.offset}: ${item.lost}`);
  });
}
