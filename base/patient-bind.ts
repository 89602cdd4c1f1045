import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

/**
 * How long an address may take to come. At the start of a machine it is tentative for a second or two (RFC 4862 §5.4), and
 * the advertisement that it is made from may be sixteen seconds away (RFC 4861 §6.2.4).
 */
const PATIENCE_MS = 20_000;
const AGAIN_AFTER_MS = 250;

/**
 * Binds to an address that may not be on this machine yet: tries again while that is what is wrong, up to 20 s, and throws
 * what `bind` threw last. Whatever else is wrong is thrown at once. `bind` can be called again after it threw.
 */
export async function bindPatiently<Bound>(
  bind: () => Promise<Bound>,
  { address, clock, log }: { readonly address: string; readonly clock: Clock; readonly log: Pick<Log, "warn"> },
): Promise<Bound> {
  const untilUs = clock.monotonicUs() + PATIENCE_MS * 1000;
  for (let tries = 1; ; tries++) {
    try {
      return await bind();
    } catch (error) {
      if (!isAbsent(error) || clock.monotonicUs() >= untilUs) throw error;
      if (tries === 1) log.warn("address-not-here-yet", { address, waitsMs: PATIENCE_MS });
      await new Promise<void>((resolve) => void clock.after(AGAIN_AFTER_MS, resolve));
    }
  }
}

function isAbsent(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause)
    if ((one as NodeJS.ErrnoException).code === "EADDRNOTAVAIL") return true;
  return false;
}
