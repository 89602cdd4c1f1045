/**
 * How often a fuzz test tries: a quarter of its full scale in `npm test`, all of it in CI, which sets PADDOCK_FUZZ_SCALE=1;
 * more than that overnight.
 */
export const FUZZ_SCALE = Number(process.env["PADDOCK_FUZZ_SCALE"] ?? 0.25);

/** Rounds of what is tried a million times at full scale. */
export const MILLION = Math.round(1_000_000 * FUZZ_SCALE);

/** Time that a fuzz test has, in milliseconds: at its full scale, on a machine that is busy. */
export const FUZZ_LIMIT_MS = 180_000;
