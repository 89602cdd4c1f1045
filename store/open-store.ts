import { PaddockError } from "@paddock/base/errors.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { decodeChainState } from "./chain-state.ts";
import { chainOfBytes, FORMAT_VERSION, KEY_SPACES, prefixRange, spaceKey } from "./keyspace.ts";
import { readLogEnd } from "./log-reads.ts";
import { chargedBytes, newEntry, type StoreCore } from "./store-core.ts";

/** Reads what the store knows of its chains: one entry a chain, whatever the backlog. Throws STORE_DAMAGED. */
export async function loadChains(core: StoreCore): Promise<void> {
  await checkFormat(core);
  const range = prefixRange(KEY_SPACES.chain);
  let after: Uint8Array | undefined;
  for (;;) {
    const page = await core.database.page(after === undefined ? range : { gt: after, lt: range.lt }, 1000, 1 << 20);
    if (page.length === 0) break;
    for (const [key, value] of page) loadChain(core, key.subarray(1), value);
    after = page.at(-1)![0];
  }
  if (core.arrivalLog) core.logEnd = core.workingLogEnd = await readLogEnd(core);
}

function loadChain(core: StoreCore, chain: Uint8Array, encoded: Uint8Array): void {
  const key = Buffer.from(chain);
  const id = chainOfBytes(key);
  const state = decodeChainState(id, key, encoded);
  if (typeof state === "string") {
    throw new PaddockError("STORE_DAMAGED", `The state of chain ${key.toString("hex")} does not decode: ${state}.`);
  }
  const entry = newEntry(key.toString("latin1"), key, id);
  entry.working = entry.published = state;
  core.chains.set(entry.name, entry);
  core.space.account(chargedBytes(state.bytes, countOf(state.held)));
  core.serial = Math.max(core.serial, state.written);
}

async function checkFormat(core: StoreCore): Promise<void> {
  const key = spaceKey(KEY_SPACES.format);
  const format = await core.database.get(key);
  if (format === undefined) {
    const page = await core.database.page({ gte: key }, 1, 1024);
    if (page.length > 0) throw new PaddockError("STORE_DAMAGED", "The store has entries but no format version.");
    await core.database.batch([{ type: "put", key, value: Uint8Array.of(FORMAT_VERSION) }], { sync: true });
  } else if (format[0] !== FORMAT_VERSION) {
    throw new PaddockError(
      "STORE_DAMAGED",
      `The store has format ${format[0]}, this program reads format ${FORMAT_VERSION}; use the program that wrote it.`,
    );
  }
}
