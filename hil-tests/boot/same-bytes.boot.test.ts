import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { buildImage } from "./build-image.ts";
import { imageUnderTest, VERSIONS } from "./variables.ts";

void test("built again, later and elsewhere, the image is the same bytes", () => {
  const directory = mkdtempSync(join(tmpdir(), "paddock-image-"));
  try {
    buildImage(VERSIONS.ours, directory);
    const again = join(directory, basename(imageUnderTest()));
    assert.doesNotThrow(() => execFileSync("cmp", [imageUnderTest(), again]));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
