import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gather } from "./gather.ts";

let image: string;
beforeEach(async () => {
  image = await mkdtemp(join(tmpdir(), "paddock-conformance-"));
});
afterEach(() => rm(image, { recursive: true }));

test("an image whose gateway cannot be started on this machine is refused before anything else is looked at", async () => {
  const release = { version: "1.2.3", arch: "arm64", commit: "0", supportUntil: "2031-12-31", rootHash: "ab" };
  await writeFile(join(image, "release.json"), JSON.stringify(release));
  const looked = gather({
    image,
    publicKey: "none",
    cache: "none",
    tests: new Map(),
    now: new Date(),
    tell: () => {},
  });
  await expect(looked).rejects.toMatchObject({ code: "USAGE", remedy: expect.stringContaining("x86-64") as string });
});
