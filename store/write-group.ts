import type { ChainEntry } from "./chain-entry.ts";
import type { DatabaseOperation } from "./database.ts";

/** What goes to disk in one atomic write: the effects of every request that was waiting. */
export class WriteGroup {
  readonly operations: DatabaseOperation[] = [];
  /** Chains whose state is written at the end of the group, once each. */
  readonly touched = new Set<ChainEntry>();
  /** Called with the write done. */
  readonly done: (() => void)[] = [];
  /** Called with the write failed. */
  readonly failed: ((error: Error) => void)[] = [];
  /** Whether the write has to reach the disk before it counts. */
  sync = false;
  /** Bytes of keys and values put. */
  bytes = 0;

  /** Whether it gives up room. */
  deletes = false;

  put(key: Uint8Array, value: Uint8Array): void {
    this.operations.push({ type: "put", key, value });
    this.bytes += key.length + value.length;
  }

  delete(key: Uint8Array): void {
    this.operations.push({ type: "del", key });
    this.deletes = true;
  }

  /** The value that this group is going to write under `key`, if any. */
  pending(key: Uint8Array): Uint8Array | undefined {
    const operation = this.operations.findLast((candidate) => Buffer.compare(candidate.key, key) === 0);
    return operation?.type === "put" ? operation.value : undefined;
  }
}
