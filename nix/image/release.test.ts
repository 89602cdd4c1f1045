import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ARCHITECTURES } from "./architectures.ts";
import { assertOneArchitecture } from "./release.ts";

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "paddock-release-"));
});
afterEach(() => rm(out, { recursive: true }));

const { arm64, "x86-64": x86 } = ARCHITECTURES;

test("a folder takes the release of one architecture, again and in another version, too", async () => {
  await assertOneArchitecture(join(out, "not-there"), arm64);
  await assertOneArchitecture(out, arm64);
  for (const file of ["paddock_1.0.0_arm64.raw", "paddock_0.9.0_arm64.raw.xz", "SHA256SUMS"])
    await writeFile(join(out, file), "");
  await assertOneArchitecture(out, arm64);
});

test.each(["paddock_1.0.0_arm64.raw", "paddock_1.0.0_arm64.raw.xz"])(
  "a folder with %s does not take that of another one, whose sums would replace those of the first",
  async (file) => {
    await writeFile(join(out, file), "");
    await expect(assertOneArchitecture(out, x86)).rejects.toThrow(`${out} has ${file}`);
  },
);
