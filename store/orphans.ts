import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { contains } from "@paddock/base/ranges.ts";
import { decodeChainState, type ChainState } from "./chain-state.ts";
import { levelDatabase, repairLevel, type KeyValueDatabase } from "./database.ts";
import { CHAIN_KEY_BYTES, chainKey, chainOfBytes, KEY_SPACES, seqOfKey } from "./keyspace.ts";
import { linkOrCopy } from "./private-copy.ts";
import { valueOf, valuesOf } from "./tolerant-reads.ts";

/**
 * What some tables of a generation hold that an open copy of it does not know of, in a few words; undefined when they are
 * what a crash in the middle of a compaction leaves: everything in them is elsewhere, too, or was deleted since.
 * `scratch` is a directory to work in.
 */
export async function notIn(
  database: KeyValueDatabase,
  generation: string,
  tables: readonly string[],
  scratch: string,
): Promise<string | undefined> {
  const directory = join(scratch, "orphans");
  await mkdir(directory);
  for (const name of tables) await linkOrCopy(join(generation, name), join(directory, name));
  await repairLevel(directory);
  const orphans = levelDatabase(directory, { createIfMissing: false });
  await orphans.open();
  try {
    return await firstUnknown(orphans, database);
  } finally {
    await orphans.close();
  }
}

async function firstUnknown(orphans: KeyValueDatabase, database: KeyValueDatabase): Promise<string | undefined> {
  const states = new Map<string, ChainState | undefined>();
  const stateOf = async (chain: Uint8Array): Promise<ChainState | undefined> => {
    const name = Buffer.from(chain).toString("latin1");
    if (!states.has(name)) states.set(name, await readState(database, chain));
    return states.get(name);
  };
  let after: Uint8Array = Buffer.alloc(0);
  for (;;) {
    const page = await orphans.page({ gt: after }, 256, 1 << 20);
    if (page.length === 0) return undefined;
    const here = await valuesOf(
      database,
      page.map(([key]) => key),
    );
    for (const [index, [key, value]] of page.entries()) {
      const state = hasChain(key) ? await stateOf(key.subarray(1, 1 + CHAIN_KEY_BYTES)) : undefined;
      const unknown = whatIsUnknown(key, value, here[index], state);
      if (unknown !== undefined) return unknown;
    }
    after = page.at(-1)![0];
  }
}

function hasChain(key: Uint8Array): boolean {
  return key[0] === KEY_SPACES.chain || key[0] === KEY_SPACES.header || key[0] === KEY_SPACES.payload;
}

function whatIsUnknown(
  key: Uint8Array,
  value: Uint8Array,
  here: Uint8Array | undefined,
  state: ChainState | undefined,
): string | undefined {
  if (key[0] === KEY_SPACES.log && here === undefined) return "log entries";
  if (!hasChain(key)) return undefined;
  if (state === undefined) return "a chain";
  if (key[0] === KEY_SPACES.chain) {
    const then = decodeChainState(state.id, state.key, value);
    return typeof then !== "string" && state.written < then.written ? "later writes" : undefined;
  }
  const seq = seqOfKey(key);
  if (here !== undefined || !contains(state.held, seq)) return undefined;
  return key[0] === KEY_SPACES.payload && contains(state.evicted, seq) ? undefined : "batches";
}

async function readState(database: KeyValueDatabase, chain: Uint8Array): Promise<ChainState | undefined> {
  const value = await valueOf(database, chainKey(KEY_SPACES.chain, chain));
  const state = value === undefined ? undefined : decodeChainState(chainOfBytes(chain), chain, value);
  return typeof state === "string" ? undefined : state;
}
