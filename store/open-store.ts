import { PaddockError } from "@paddock/base/errors.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { decodeChainState } from "./chain-state.ts";
import { decodeDuty, dutyOfKey } from "./duties.ts";
import { chainOfBytes, FORMAT_VERSION, KEY_SPACES, spaceKey } from "./keyspace.ts";
import { readLogEnd } from "./log-reads.ts";
import { chargedBytes, newEntry, type StoreCore } from "./store-core.ts";
import { entriesOf } from "./tolerant-reads.ts";
import type { ChainId } from "./types.ts";

/** Reads what the store knows of its chains: one entry a chain, whatever the backlog. Throws STORE_DAMAGED. */
export async function loadChains(core: StoreCore, readOnly: boolean): Promise<void> {
  await checkFormat(core, readOnly);
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.chain)) loadChain(core, key.subarray(1), value);
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.duty)) loadDuty(core, key, value);
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.revoked)) {
    const chain = chainOfBytes(key.subarray(1));
    const problem = core.revocations.restore(chain, value);
    if (problem !== undefined) tellState(core, chain, `A note of rolled back log entries does not decode: ${problem}.`);
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

function loadDuty(core: StoreCore, key: Uint8Array, value: Uint8Array): void {
  const named = dutyOfKey(key);
  if (named === undefined) return;
  const duty = decodeDuty(named.kind, named.chain, value);
  if (typeof duty !== "string") return core.duties.restore(duty);
  tellState(core, named.chain, `A note of what is to be done for a chain does not decode: ${duty}.`);
  if (named.kind !== "epoch") return;
  // What counts of it is in its key.
  const last = core.entry(named.chain).working.head ?? null;
  core.duties.restore({ kind: "epoch", chain: named.chain, seqs: [], last });
}

function tellState(core: StoreCore, chain: ChainId, detail: string): void {
  core.damage.tell({ chain, what: "state", detail });
}

async function checkFormat(core: StoreCore, readOnly: boolean): Promise<void> {
  const key = spaceKey(KEY_SPACES.format);
  const format = await core.database.get(key);
  if (format === undefined) {
    const page = await core.database.page({ gte: key }, 1, 1024);
    if (page.length > 0) throw new PaddockError("STORE_DAMAGED", "The store has entries but no format version.");
    if (!readOnly)
      await core.database.batch([{ type: "put", key, value: Uint8Array.of(FORMAT_VERSION) }], { sync: true });
  } else if (format[0] !== FORMAT_VERSION) {
    throw new PaddockError(
      "STORE_DAMAGED",
      `The store has format ${format[0]}, this program reads format ${FORMAT_VERSION}; use the program that wrote it.`,
    );
  }
}
