import { PNG } from "pngjs";

const SIDE = 40;
const GREEN = [38, 92, 62, 255] as const;

/** Bytes of a small PNG: the fence of a paddock. */
export function fence(): Buffer {
  const png = new PNG({ width: SIDE, height: SIDE });
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const post = x % 12 < 4 && x < 40 && y >= 6 && y < 36;
      const rail = (y >= 12 && y < 16) || (y >= 24 && y < 28);
      if (post || rail) png.data.set(GREEN, (y * SIDE + x) * 4);
    }
  return PNG.sync.write(png);
}
