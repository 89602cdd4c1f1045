import type { Clock } from "./clock.ts";

/** Service managers and terminals send the same signal to a process and to its group at once: that is one signal. */
const ONE_SIGNAL_MS = 1000;

/** Where signals come from: `process`, or a stand-in under test. */
export interface SignalSource {
  readonly on: (signal: NodeJS.Signals, listener: () => void) => unknown;
}

export interface EndSignals {
  /** Resolves with the first SIGTERM or SIGINT. */
  readonly first: Promise<NodeJS.Signals>;
}

/**
 * Listens for the request to end. Another SIGTERM or SIGINT, a second or more after the first, means "now" and calls
 * `insisted`; whatever comes sooner belongs to the first.
 */
export function endSignals(source: SignalSource, clock: Pick<Clock, "monotonicUs">, insisted: () => void): EndSignals {
  const { promise: first, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let sinceUs: number | undefined;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    source.on(signal, () => {
      const nowUs = clock.monotonicUs();
      if (sinceUs === undefined) {
        sinceUs = nowUs;
        resolve(signal);
      } else if (nowUs - sinceUs >= ONE_SIGNAL_MS * 1000) insisted();
    });
  }
  return { first };
}
