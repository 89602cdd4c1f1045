import { expect, test } from "vitest";
import { assertSizes, SIZE_LIMITS, sizeLines } from "./size-limits.ts";

const [kind, limits] = Object.entries(SIZE_LIMITS)[0]!;

test("each part is shown with the most that it may have, where there is such a limit", () => {
  const lines = sizeLines({ root: 1_250_000, initrd: 1, download: 2_000_000 }, kind);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toBe(`root     1.3 MB of at most ${(limits.root / 1e6).toFixed(1)} MB`);
  expect(sizeLines({ root: 1_250_000, initrd: 1, download: 2 }, "lz4hc")[0]).toBe("root     1.3 MB");
});

test("one byte too many is refused, and which part it is in", () => {
  expect(() => assertSizes(limits, kind)).not.toThrow();
  for (const part of ["root", "initrd", "download"] as const)
    expect(() => assertSizes({ ...limits, [part]: limits[part] + 1 }, kind)).toThrow(`Too large: ${part}.`);
  expect(() => assertSizes({ ...limits, root: 1e12 }, "lz4hc")).not.toThrow();
});
