import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { testIdentity } from "@paddock/store/testing/sealer.ts";
import { identityToPem } from "@paddock/wire/identity.ts";
import { selfSignedCertificate } from "./certificate.ts";
import { startCollector } from "./collector.ts";
import { problemsOfNamedFiles } from "./named-files.ts";
import { testConfig } from "./testing/test-collector.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-named-"));
  await writeFile(join(directory, "cert.pem"), selfSignedCertificate(testIdentity(1)));
  await writeFile(join(directory, "key.pem"), identityToPem(testIdentity(1)));
  await writeFile(join(directory, "other.pem"), identityToPem(testIdentity(2)));
  const cipher = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
  const locked = generateKeyPairSync("ed25519").privateKey.export(cipher);
  await writeFile(join(directory, "locked.pem"), locked);
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const configured = (cert: string, key: string) =>
  testConfig(join(directory, "data"), { tls: { cert: join(directory, cert), key: join(directory, key) } });

test("a certificate with its key is fine", async () => {
  expect(await problemsOfNamedFiles(configured("cert.pem", "key.pem"))).toEqual([]);
  expect(await problemsOfNamedFiles(testConfig(directory))).toEqual([]);
});

test.each([
  ["none.pem", "key.pem", /^CONFIG_INVALID: tls\.cert: .*none\.pem cannot be read/u],
  ["cert.pem", "none.pem", /^CONFIG_INVALID: tls\.key: .*none\.pem cannot be read/u],
  ["key.pem", "key.pem", /^CONFIG_INVALID: tls\.cert: .*no certificate/u],
  ["cert.pem", "cert.pem", /^CONFIG_INVALID: tls\.key: .*no private key/u],
  ["cert.pem", "locked.pem", /^CONFIG_INVALID: tls\.key: .*no private key.*passphrase/u],
  ["cert.pem", "other.pem", /^CONFIG_INVALID: tls\.key: .*other\.pem is not the key of the certificate/u],
])("%s with %s is told, by the check and by a start alike", async (cert, key, says) => {
  const config = configured(cert, key);
  const problems = await problemsOfNamedFiles(config);
  expect(problems.map((problem) => problem.explain())).toEqual([expect.stringMatching(says)]);
  await expect(startCollector(config, systemClock, silentLog)).rejects.toMatchObject({ message: problems[0]!.message });
});

test.each([
  ["a file in its place", "cert.pem"],
  ["a file in its path", "cert.pem/data"],
])("a data directory with %s is told, by the check and by a start", async (_, name) => {
  const config = testConfig(join(directory, name));
  const problems = await problemsOfNamedFiles(config);
  expect(problems).toMatchObject([{ code: "DATA_DIR_UNUSABLE" }]);
  const said = { code: "DATA_DIR_UNUSABLE", remedy: expect.stringMatching(/no directory/u) as string };
  await expect(startCollector(config, systemClock, silentLog)).rejects.toMatchObject(said);
});
