/*
 * The key of the data partition in a TPM 2.0 that others wrote (swtpm).
 *
 *     node --test hil-tests/lab/device/tpm.lab.test.ts
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Tpm } from "@paddock/gateway/data/tpm.ts";
import { missingForLab } from "../namespaces.ts";
import { EmulatedTpm } from "./emulated-tpm.ts";

const directory = mkdtempSync(join(tmpdir(), "paddock-tpm-lab-"));
before(() => assert.deepEqual(missingForLab(["swtpm"]), []));
after(() => rmSync(directory, { recursive: true, force: true }));

/** A TPM with power for the time of the task. */
async function powered<Result>(name: string, task: (tpm: Tpm) => Promise<Result>): Promise<Result> {
  const emulated = await EmulatedTpm.forCommands(join(directory, name));
  try {
    return await task(new Tpm((command) => emulated.transmit(command)));
  } finally {
    await emulated.end();
  }
}

const key = randomBytes(64);

void test("a TPM gives a key back after a loss of power, as often as it is asked, and another TPM does not", async () => {
  const sealed = await powered("own", (tpm) => tpm.seal(key));
  assert.ok(!Buffer.concat([sealed.publicArea, sealed.privateArea]).includes(key));
  await powered("own", async (tpm) => {
    // More often than a TPM has room for what is left behind.
    for (let count = 0; count < 10; count++) assert.deepEqual(await tpm.unseal(sealed), key);
  });
  await powered("other", (tpm) =>
    assert.rejects(tpm.unseal(sealed), { code: "TPM_REFUSED", message: /another TPM sealed it/u }),
  );
});

void test("a TPM that was cleared gives nothing back, and keeps new keys", async () => {
  const sealed = await powered("own", (tpm) => tpm.seal(key));
  await powered("own", (tpm) => tpm.clear());
  await powered("own", async (tpm) => {
    await assert.rejects(tpm.unseal(sealed), { code: "TPM_REFUSED", message: /has been cleared since/u });
    assert.deepEqual(await tpm.unseal(await tpm.seal(key)), key);
  });
});

void test("one changed bit of what was sealed is refused", async () => {
  await powered("own", async (tpm) => {
    const { publicArea, privateArea } = await tpm.seal(key);
    const changed = Buffer.from(privateArea);
    changed[changed.length - 1]! ^= 1;
    await assert.rejects(tpm.unseal({ publicArea, privateArea: changed }), { code: "TPM_REFUSED" });
  });
});
