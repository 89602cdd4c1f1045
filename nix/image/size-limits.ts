/** Bytes of what an image is made of. `download` is the compressed image, or the most that it can have. */
export type Sizes = Readonly<Record<"root" | "initrd" | "download", number>>;

const MB = 1_000_000;

/**
 * The most that each part may have, some percent more than it has: sizes are the same each time, so what grows is seen. Fast
 * builds, CI's, compress less and have limits of their own; so has each processor. `download` is to be 48 MB one day: the kernel alone is 12.
 */
export const SIZE_LIMITS: Readonly<Record<string, Sizes>> = {
  "x86-64 zstd,level=1": { root: 53.5 * MB, initrd: 3 * MB, download: 69 * MB },
};

/** A line for each part, with its limit. `kind` is architecture and compression. */
export function sizeLines(sizes: Sizes, kind: string): string[] {
  const limits = SIZE_LIMITS[kind];
  return Object.entries(sizes).map(([part, bytes]) => {
    const limit = limits === undefined ? "" : ` of at most ${inMb(limits[part as keyof Sizes])}`;
    return `${part.padEnd(8)} ${inMb(bytes)}${limit}`;
  });
}

/** Throws where a part has more than its limit; without limits for this kind nothing is looked at. */
export function assertSizes(sizes: Sizes, kind: string): void {
  const limits = SIZE_LIMITS[kind];
  if (limits === undefined) return;
  const over = (Object.keys(limits) as (keyof Sizes)[]).filter((part) => sizes[part] > limits[part]);
  if (over.length > 0)
    throw new Error(
      `Too large: ${over.join(" and ")}. Take something out (nix/image/contents.ts), or say in nix/image/size-limits.ts why it may be.`,
    );
}

function inMb(bytes: number): string {
  return `${(bytes / MB).toFixed(1)} MB`;
}
