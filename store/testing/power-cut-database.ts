import type { DatabaseEntry, DatabaseOperation, KeyValueDatabase, KeyRange } from "../database.ts";

/** A database in memory that can lose its power: then only what a synced write has covered is left. */
export interface PowerCutDatabase extends KeyValueDatabase {
  /** Goes back to the last synced write. LevelDB's log is one file, so a sync covers all writes before it. */
  cut(): void;
  readonly writes: readonly { readonly sync: boolean; readonly operations: readonly DatabaseOperation[] }[];
}

export function powerCutDatabase(): PowerCutDatabase {
  let live = new Map<string, Uint8Array>();
  let synced = new Map<string, Uint8Array>();
  const writes: { sync: boolean; operations: readonly DatabaseOperation[] }[] = [];
  return {
    writes,
    cut() {
      live = new Map(synced);
    },
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
    get: (key) => Promise.resolve(live.get(name(key))),
    getMany: (keys) => Promise.resolve(keys.map((key) => live.get(name(key)))),
    async batch(operations, { sync }) {
      for (const operation of operations) {
        if (operation.type === "put") live.set(name(operation.key), Buffer.from(operation.value));
        else live.delete(name(operation.key));
      }
      if (sync) synced = new Map(live);
      writes.push({ sync, operations });
    },
    async page(range, limit) {
      const keys = [...live.keys()].filter((key) => within(range, Buffer.from(key, "latin1"))).toSorted(byBytes);
      if (range.reverse === true) keys.reverse();
      return keys.slice(0, limit).map((key): DatabaseEntry => [Buffer.from(key, "latin1"), live.get(key)!]);
    },
  };
}

function name(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

/** Latin-1 text sorts by code unit as its bytes do. */
function byBytes(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function within(range: KeyRange, key: Buffer): boolean {
  if (range.gte !== undefined && key.compare(range.gte) < 0) return false;
  if (range.gt !== undefined && key.compare(range.gt) <= 0) return false;
  if (range.lt !== undefined && key.compare(range.lt) >= 0) return false;
  return range.lte === undefined || key.compare(range.lte) <= 0;
}
