import { setTimeout as pause } from "node:timers/promises";

/** Ends what never comes true; what is only slow, on a machine with ten times its load, comes long before. */
const LIMIT_MS = 60_000;
/** Between looks: little at first, then a twentieth of what was waited already. A look that fails costs a stack and a comparison. */
const LOOK_FIRST_MS = 3;
const LOOK_LAST_MS = 25;

/**
 * Waits until `condition` holds: until it returns anything but false, and throws no more, as `expect` does. Throws what
 * it threw last when it has not come true within a minute.
 */
export async function until(condition: () => unknown, what?: string): Promise<void> {
  const startMs = performance.now();
  for (;;) {
    let problem: unknown = new Error(`not within ${LIMIT_MS / 1000} s: ${what ?? String(condition)}`);
    try {
      if ((await condition()) !== false) return;
    } catch (error) {
      problem = error;
    }
    const waitedMs = performance.now() - startMs;
    if (waitedMs > LIMIT_MS) throw problem;
    await pause(Math.min(LOOK_LAST_MS, LOOK_FIRST_MS + waitedMs / 20));
  }
}
