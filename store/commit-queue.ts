import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { KeyValueDatabase } from "./database.ts";
import { WriteGroup } from "./write-group.ts";

/** Where a group stops taking more requests: enough to make the sync cheap, not so much that the first one waits. */
const GROUP_BYTES_MAX = 4 << 20;
const GROUP_REQUESTS_MAX = 512;

type Request = (group: WriteGroup) => Promise<void>;

export interface GroupHooks {
  /** The group is complete: add what is written once per group. */
  readonly complete: (group: WriteGroup) => void;
  /** The group is on disk. Called before the promises of its requests resolve. */
  readonly written: (group: WriteGroup) => void;
}

/**
 * Group commit without a timer: while one write is under way, the next group fills. Requests are prepared one after the
 * other in the order in which they came, and at most one write is in flight.
 */
export class CommitQueue {
  readonly #database: KeyValueDatabase;
  readonly #hooks: GroupHooks;
  readonly #waiting: Request[] = [];
  #running: Promise<void> | undefined;
  #failure: PaddockError | undefined;
  readonly #pendingFailures: ((error: Error) => void)[] = [];
  #closed: string | undefined;

  constructor(database: KeyValueDatabase, hooks: GroupHooks) {
    this.#database = database;
    this.#hooks = hooks;
  }

  /** Set once a write has failed: what is on disk is unknown from then on, and nothing more is written. */
  get failure(): PaddockError | undefined {
    return this.#failure;
  }

  /**
   * Prepares a request when its turn comes and resolves with what that returned once its group is on disk. `prepare`
   * changes nothing before its last await, so that a throw in it leaves no trace. Rejects with what it throws, or with
   * PaddockError STORE_WRITE_FAILED.
   */
  submit<Value>(prepare: (group: WriteGroup) => Promise<Value>): Promise<Value> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closed !== undefined) return Promise.reject(new Error(this.#closed));
    return new Promise<Value>((resolve, reject) => {
      this.#pendingFailures.push(reject);
      this.#waiting.push(async (group) => {
        try {
          const value = await prepare(group);
          group.done.push(() => resolve(value));
          group.failed.push(reject);
        } catch (error) {
          reject(error);
        }
      });
      this.#running ??= this.#run();
    });
  }

  /** Takes no more requests, which reject with `why`, and resolves when none is waiting or under way. */
  async close(why = "the store is closed"): Promise<void> {
    this.#closed ??= why;
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = new WriteGroup();
      let taken = 0;
      while (taken < this.#waiting.length && taken < GROUP_REQUESTS_MAX && group.bytes < GROUP_BYTES_MAX) {
        await this.#waiting[taken]!(group);
        taken++;
      }
      this.#waiting.splice(0, taken);
      this.#pendingFailures.splice(0, taken);
      this.#hooks.complete(group);
      if (group.operations.length > 0 && !(await this.#write(group))) break;
      this.#hooks.written(group);
      for (const resolve of group.done) resolve();
    }
    // Without an await since the last look at what is waiting: a request that comes now starts the next run.
    this.#running = undefined;
  }

  async #write(group: WriteGroup): Promise<boolean> {
    try {
      await this.#database.batch(group.operations, { sync: group.sync });
      return true;
    } catch (error) {
      const failure = new PaddockError("STORE_WRITE_FAILED", `A write to the store failed: ${messageOf(error)}.`, {
        cause: error,
      });
      this.#failure = failure;
      for (const reject of [...group.failed, ...this.#pendingFailures]) reject(failure);
      return false;
    }
  }
}
