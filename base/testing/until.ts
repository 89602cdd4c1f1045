import { setTimeout as pause } from "node:timers/promises";

/** Ends what never comes true; what is only slow, on a machine with ten times its load, comes long before. */
const LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 3;

/**
 * Waits until `condition` holds: until it returns anything but false, and throws no more, as `expect` does. Throws what
 * it threw last when it has not come true within a minute.
 */
export async function until(condition: () => unknown, what?: string): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  for (;;) {
    let problem: unknown = new Error(`not within ${LIMIT_MS / 1000} s: ${what ?? String(condition)}`);
    try {
      if ((await condition()) !== false) return;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > endMs) throw problem;
    await pause(LOOK_EVERY_MS);
  }
}
