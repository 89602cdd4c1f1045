import { chmod, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadIdentity } from "./identity-file.ts";

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-identity-"));
  file = join(directory, "identity.pem");
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test("the identity is made once, for its owner alone, and stays", async () => {
  const identity = await loadIdentity(directory);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await loadIdentity(directory)).publicKeyRaw).toEqual(identity.publicKeyRaw);
});

test("a key that others can read is refused, with what to do", async () => {
  await loadIdentity(directory);
  await chmod(file, 0o640);
  await expect(loadIdentity(directory)).rejects.toMatchObject({
    code: "IDENTITY_UNREADABLE",
    message: /0640/u,
    remedy: /chmod 600/u,
  });
});

test("none is made beside a ledger, by no command", async () => {
  await mkdir(join(directory, "ledger", "generation-000001"), { recursive: true });
  await expect(loadIdentity(directory)).rejects.toMatchObject({ code: "IDENTITY_MISMATCH" });
  await rm(join(directory, "ledger", "generation-000001"), { recursive: true });
  await loadIdentity(directory);
});
