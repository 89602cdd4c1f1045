import { setTimeout as sleep } from "node:timers/promises";
import { PaddockError } from "@paddock/base/errors.ts";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import type { GatewayStatus } from "@paddock/gateway/status/status.ts";
import { DemoFailure } from "./demo-failure.ts";

/** A status with the time at which it came, on the clock of `performance.now()`. */
export interface StatusAt {
  readonly status: GatewayStatus;
  readonly atMs: number;
}

/** Asks the gateway how it goes, again and again, and tells everybody who wants to know. */
export class StatusFeed {
  readonly #socket: string;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<(status: StatusAt) => void>();
  #stopped = false;
  /** Between two questions. */
  intervalMs = 100;

  constructor(socket: string, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
  }

  /** Asks until the signal; a gateway that is gone is reported by whoever watches its process. */
  async run(): Promise<void> {
    while (!this.#signal.aborted && !this.#stopped) {
      try {
        const status = await askGateway<"status">(this.#socket, { get: "status" });
        const at = { status, atMs: performance.now() };
        for (const listener of this.#listeners) listener(at);
      } catch (error) {
        if (!(error instanceof PaddockError)) throw error;
      }
      await sleep(this.intervalMs, undefined, { signal: this.#signal }).catch(() => {});
    }
  }

  /** No more questions. */
  stop(): void {
    this.#stopped = true;
  }

  onStatus(listener: (status: StatusAt) => void): void {
    this.#listeners.add(listener);
  }

  /** The first status that `holds`. Throws DemoFailure when none did within `limitMs`; `what` says what was awaited. */
  async until(holds: (status: StatusAt) => boolean, limitMs: number, what: string): Promise<StatusAt> {
    const found = Promise.withResolvers<StatusAt>();
    found.promise.catch(() => {});
    const listener = (status: StatusAt): void => {
      if (holds(status)) found.resolve(status);
    };
    const late = setTimeout(() => found.reject(new DemoFailure(`${what}: not within ${limitMs / 1000} s.`)), limitMs);
    const ended = (): void => found.reject(new DemoFailure(`${what}: the demo ended first.`));
    this.#signal.addEventListener("abort", ended);
    this.#listeners.add(listener);
    try {
      return await found.promise;
    } finally {
      clearTimeout(late);
      this.#signal.removeEventListener("abort", ended);
      this.#listeners.delete(listener);
    }
  }
}
