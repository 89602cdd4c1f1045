import type { LoggedBatch } from "../log/log-line.ts";
import type { Dating } from "./row.ts";

/** Boots of a gateway that are remembered, here and by a sink. */
export const BOOTS_MAX = 8;

/**
 * When the boots of each gateway were, as far as batches sealed with a set clock say: a boot that began without a clock
 * is dated by the first of its batches that has one, back to its start, because the monotonic clock ran all the time.
 */
export class DatingBook {
  /** By gateway, boots in the order in which they were learned. */
  readonly #zeroUs = new Map<string, Map<number, number>>();

  constructor(known: readonly Dating[] = []) {
    for (const dating of known) this.learn(dating);
  }

  /** What is known, in the order in which it was learned for each gateway. */
  get all(): Dating[] {
    return [...this.#zeroUs].flatMap(([gateway, boots]) =>
      [...boots].map(([boot, zeroUs]) => ({ gateway, boot, zeroUs })),
    );
  }

  /** Unix µs at which the boot's monotonic clock was 0, or undefined when nothing has said so. */
  zeroUs(gateway: string, boot: number): number | undefined {
    return this.#zeroUs.get(gateway)?.get(boot);
  }

  /** What a batch says of its boot; undefined when nothing, or nothing new. */
  note(gateway: string, { decoded: { position } }: Pick<LoggedBatch, "decoded">): Dating | undefined {
    const { boot, monotonic, wall, clock } = position;
    if (clock === 0 || this.zeroUs(gateway, boot) !== undefined) return undefined;
    const dating = { gateway, boot, zeroUs: wall * 1000 - monotonic };
    if (!Number.isSafeInteger(dating.zeroUs)) return undefined;
    this.learn(dating);
    return dating;
  }

  learn({ gateway, boot, zeroUs }: Dating): void {
    const boots = this.#zeroUs.get(gateway) ?? new Map<number, number>();
    this.#zeroUs.set(gateway, boots);
    boots.set(boot, zeroUs);
    if (boots.size <= BOOTS_MAX) return;
    const oldest = boots.keys().next().value!;
    boots.delete(oldest);
  }
}
