/*
 * ECMAScript leaves it to the engine how exact Math.sin and Math.log are, and the same engine may round otherwise on another
 * processor. What a seed decides is made of additions, multiplications and divisions, which IEEE 754 rounds one way.
 */

/** Odd powers beyond this one change nothing within a quarter turn. */
const SINE_POWERS = 23;
const LOGARITHM_POWERS = 25;

/** The sine of so many turns of a circle. */
export function sineOfTurns(turns: number): number {
  // Taking away whole turns is exact, and so is mirroring what lies beyond a quarter.
  const within = turns - Math.round(turns);
  const mirrored = Math.abs(within) > 0.25 ? Math.sign(within) * 0.5 - within : within;
  const angle = mirrored * 2 * Math.PI;
  const square = angle * angle;
  let sum = 1;
  // The Taylor series from its smallest term on.
  for (let power = SINE_POWERS; power > 1; power -= 2) sum = 1 - (square / (power * (power - 1))) * sum;
  return angle * sum;
}

/** The natural logarithm of a number above 0 and not above 1. */
export function logarithmOfShare(share: number): number {
  let halvings = 0;
  let scaled = share;
  // Doubling is exact; it ends near 1, where the series is short.
  for (; scaled < Math.SQRT1_2; scaled *= 2) halvings++;
  // ln x = 2 artanh((x - 1) / (x + 1))
  const ratio = (scaled - 1) / (scaled + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let power = LOGARITHM_POWERS; power >= 1; power -= 2) sum = sum * square + 1 / power;
  return 2 * ratio * sum - halvings * Math.LN2;
}
