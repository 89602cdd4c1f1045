import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultKeyFile, loadOrCreateIdentity } from "./identity-file.ts";
import { generateIdentity, identityToPem } from "./identity.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-identity-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("loadOrCreateIdentity", () => {
  test("makes a key at the first start, readable by its owner alone, and keeps it", async () => {
    const dataDir = join(directory, "data");
    const first = await loadOrCreateIdentity({ dataDir });
    const second = await loadOrCreateIdentity({ dataDir });
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.identity.id).toEqual(first.identity.id);
    expect((await stat(defaultKeyFile(dataDir))).mode & 0o777).toBe(0o600);
    expect(await readdir(dataDir)).toEqual(["identity.pem"]);
  });

  test("is the same for all that ask at once before the first start", async () => {
    const asked = Array.from({ length: 8 }, () => loadOrCreateIdentity({ dataDir: directory }));
    const loaded = await Promise.all(asked);
    expect(loaded.filter(({ created }) => created)).toHaveLength(1);
    const { identity: kept } = await loadOrCreateIdentity({ dataDir: directory });
    for (const { identity } of loaded) expect(identity.id).toEqual(kept.id);
  });

  test.each([0o640, 0o604, 0o660, 0o777])("refuses a key of mode %o", async (mode) => {
    await loadOrCreateIdentity({ dataDir: directory });
    await chmod(defaultKeyFile(directory), mode);
    await expect(loadOrCreateIdentity({ dataDir: directory })).rejects.toMatchObject({ code: "IDENTITY_UNREADABLE" });
  });

  test.each(["", "no key", "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n"])(
    "refuses a damaged key file and leaves it alone: %j",
    async (content) => {
      await writeFile(defaultKeyFile(directory), content, { mode: 0o600 });
      await expect(loadOrCreateIdentity({ dataDir: directory })).rejects.toMatchObject({ code: "IDENTITY_UNREADABLE" });
      expect(await readdir(directory)).toEqual(["identity.pem"]);
    },
  );

  test("never makes a second identity for a store that has chains", async () => {
    await expect(loadOrCreateIdentity({ dataDir: directory, mayCreate: false })).rejects.toMatchObject({
      code: "IDENTITY_MISMATCH",
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test("takes an injected key, and refuses to start when it is missing", async () => {
    const keyFile = join(directory, "injected.pem");
    await expect(loadOrCreateIdentity({ dataDir: directory, keyFile })).rejects.toMatchObject({
      code: "CONFIG_UNREADABLE",
      message: `identity.keyFile: ${keyFile} does not exist.`,
    });
    const injected = generateIdentity();
    await writeFile(keyFile, identityToPem(injected), { mode: 0o600 });
    const loaded = await loadOrCreateIdentity({ dataDir: directory, keyFile });
    expect(loaded.identity.id).toEqual(injected.id);
    expect(await readdir(directory)).toEqual(["injected.pem"]);
  });

  test("says in one line that a directory lies in place of the key", async () => {
    await mkdir(defaultKeyFile(directory), { mode: 0o700 });
    await expect(loadOrCreateIdentity({ dataDir: directory })).rejects.toMatchObject({ code: "IDENTITY_UNREADABLE" });
  });
});
