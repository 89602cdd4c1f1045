import { randomBytes } from "node:crypto";
import { PaddockError } from "@paddock/base/errors.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { decodeChainState } from "./chain-state.ts";
import { decodeDuty, dutyOfKey } from "./duties.ts";
import { chainOfBytes, FORMAT_VERSION, KEY_SPACES, spaceKey } from "./keyspace.ts";
import { readLogEnd } from "./log-reads.ts";
import { chargedBytes, newEntry, type StoreCore } from "./store-core.ts";
import { entriesOf } from "./tolerant-reads.ts";
import type { ChainId } from "./types.ts";

const INCARNATION_BYTES = 16;

/**
 * Reads what the store knows of its chains: one entry a chain, whatever the backlog. Resolves with the keys of chains
 * whose entry does not decode. Throws STORE_DAMAGED.
 */
export async function loadChains(core: StoreCore, readOnly: boolean): Promise<readonly Buffer[]> {
  await checkFormat(core, readOnly);
  const damaged: Buffer[] = [];
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.chain)) {
    if (!loadChain(core, key.subarray(1), value)) damaged.push(Buffer.from(key.subarray(1)));
  }
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.duty)) loadDuty(core, key, value);
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.revoked)) {
    const chain = chainOfBytes(key.subarray(1));
    const problem = core.revocations.restore(chain, value);
    if (problem !== undefined) tellState(core, chain, `A note of rolled back log entries does not decode: ${problem}.`);
  }
  await core.side.open(core.serial);
  core.space.account(core.side.total);
  if (core.arrivalLog) {
    core.logEnd = core.workingLogEnd = await readLogEnd(core);
    core.logIncarnation = await loadIncarnation(core, readOnly);
  }
  return damaged;
}

/** Made with the log, or by the first program that knows of it. */
async function loadIncarnation(core: StoreCore, readOnly: boolean): Promise<Uint8Array | undefined> {
  const key = spaceKey(KEY_SPACES.incarnation);
  const known = await core.database.get(key);
  if (known !== undefined || readOnly) return known;
  const made = randomBytes(INCARNATION_BYTES);
  await core.database.batch([{ type: "put", key, value: made }], { sync: true });
  return made;
}

function loadChain(core: StoreCore, chain: Uint8Array, encoded: Uint8Array): boolean {
  const key = Buffer.from(chain);
  const id = chainOfBytes(key);
  const state = decodeChainState(id, key, encoded);
  if (typeof state === "string") {
    tellState(core, id, `The state of chain ${key.toString("hex")} does not decode: ${state}.`);
    return false;
  }
  const entry = newEntry(key.toString("latin1"), key, id);
  entry.working = entry.published = state;
  core.chains.set(entry.name, entry);
  core.space.account(chargedBytes(state.bytes, countOf(state.held)));
  core.serial = Math.max(core.serial, state.written);
  return true;
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
