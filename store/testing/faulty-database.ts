import type { KeyValueDatabase } from "../database.ts";

export interface Fault {
  /** Writes that succeed before one fails. */
  readonly after: number;
  /** Whether the write that fails reached the disk all the same. */
  readonly applied: boolean;
}

/** A database whose writes fail from a given one on, as a dying disk's do. */
export function faultyDatabase(inner: KeyValueDatabase, fault: Fault): KeyValueDatabase {
  let writes = 0;
  return {
    open: () => inner.open(),
    close: () => inner.close(),
    get: (key) => inner.get(key),
    getMany: (keys) => inner.getMany(keys),
    page: (range, limit, maxBytes) => inner.page(range, limit, maxBytes),
    async batch(operations, options) {
      writes++;
      if (writes <= fault.after) return inner.batch(operations, options);
      if (writes === fault.after + 1 && fault.applied) await inner.batch(operations, options);
      throw new Error("input/output error");
    },
  };
}
