/**
 * How often a test that is made of chance tries: a twentieth of its full scale in `npm test`, all of it in `npm run trial`,
 * which CI runs as well; more than that overnight.
 */
const FUZZ_SCALE = Number(process.env["PADDOCK_FUZZ_SCALE"] ?? 0.05);

/** How often to try what is tried `full` times at full scale; once at least. */
export function scaled(full: number): number {
  return Math.ceil(full * FUZZ_SCALE);
}

/** Rounds of what is tried a million times at full scale. */
export const MILLION = scaled(1_000_000);

/** Time that a fuzz test has, in milliseconds: at its full scale, on a machine that is busy. */
export const FUZZ_LIMIT_MS = 180_000;
