import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkRelease, readReleaseKey, readSums } from "./release-files.ts";
import { makeRelease, type ReleaseFixture } from "./testing/release-fixture.ts";

let release: ReleaseFixture;
beforeAll(async () => {
  release = await makeRelease();
});
afterAll(() => rm(release.directory, { recursive: true, force: true }));

const IMAGE = "paddock_1.2.3_x86-64.raw";

test("a release that is whole", async () => {
  const key = await readReleaseKey(release.publicKeyFile);
  expect(await checkRelease(release.raw, { key })).toMatchObject({
    signed: true,
    blockMap: expect.stringContaining("<bmap"),
  });
  expect(await checkRelease(release.raw, { key: undefined })).toMatchObject({ signed: false });
  // The map is found beside the packed image, too.
  expect(await checkRelease(release.zst, { key })).toMatchObject({ blockMap: expect.stringContaining("<bmap") });
});

test("sha256sum and openssl say the same", async () => {
  const run = promisify(execFile);
  await run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: release.directory });
  const verified = run(
    "openssl",
    [
      "pkeyutl",
      "-verify",
      "-pubin",
      "-inkey",
      "release.pub.pem",
      "-rawin",
      "-in",
      "SHA256SUMS",
      "-sigfile",
      "SHA256SUMS.sig",
    ],
    { cwd: release.directory },
  );
  await expect(verified).resolves.toMatchObject({ stdout: expect.stringContaining("Verified Successfully") });
});

test("another key did not sign it", async () => {
  const other = generateKeyPairSync("ed25519").publicKey;
  await expect(checkRelease(release.raw, { key: other })).rejects.toMatchObject({
    code: "IMAGE_INVALID",
    message: expect.stringContaining("not signed by the key"),
  });
});

test("sums that were changed, a file that they do not list, a map that is another", async () => {
  const key = await readReleaseKey(release.publicKeyFile);
  const image = await readFile(release.raw);
  const map = await readFile(`${release.raw}.bmap`);
  await release.sums({ [IMAGE]: image });
  await expect(checkRelease(release.raw, { key })).rejects.toThrow(`SHA256SUMS does not list ${IMAGE}.bmap`);
  await release.sums({ [`${IMAGE}.bmap`]: map });
  await expect(checkRelease(release.raw, { key })).rejects.toThrow(`SHA256SUMS does not list ${IMAGE}`);
  await release.sums({ [IMAGE]: image, [`${IMAGE}.bmap`]: image });
  await expect(checkRelease(release.raw, { key })).rejects.toThrow("SHA256SUMS says");
  await release.sums({ [IMAGE]: image, [`${IMAGE}.bmap`]: map });
  const sums = join(release.directory, "SHA256SUMS");
  await writeFile(sums, `${await readFile(sums, "utf8")}\n`);
  await expect(checkRelease(release.raw, { key })).rejects.toThrow("not signed by the key");
  await rm(`${sums}.sig`);
  await expect(checkRelease(release.raw, { key })).rejects.toThrow("SHA256SUMS.sig, cannot be read");
  await release.sums({ [IMAGE]: image, [`${IMAGE}.bmap`]: map, [`${IMAGE}.zst`]: await readFile(release.zst) });
});

test("a key that is none", async () => {
  const path = join(release.directory, "SHA256SUMS");
  await expect(readReleaseKey(path)).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  await expect(readReleaseKey(join(release.directory, "nothing"))).rejects.toMatchObject({ code: "IMAGE_INVALID" });
});

test("sums as sha256sum writes them, with both marks and either line end", () => {
  const hash = "a".repeat(64);
  expect([...readSums(`${hash}  one\r\n${hash} *two with space\nno line\n`)]).toEqual([
    ["one", hash],
    ["two with space", hash],
  ]);
});
