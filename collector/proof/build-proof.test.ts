import { afterEach, beforeEach, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { verifyProof } from "@paddock/wire/proof.ts";
import { ask } from "../operator/operator-client.ts";
import type { GatewayClient } from "../testing/gateway-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";

let collector: TestCollector;
let client: GatewayClient;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start();
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  client = collector.client();
});

afterEach(() => collector.end());

const proofAt = (offset: number): Promise<Buffer> => ask(collector.socket, { path: `/v1/proof?offset=${offset}` });

test("a proof verifies, and a changed byte anywhere in it does not", async () => {
  await client.upload(sealer.chain, sealer.sealMany(4));
  const proof = await proofAt(1);
  const verified = expectAccepted(verifyProof(proof));
  expect(verified).toMatchObject({ links: 3, header: { position: { seq: 1 } }, receipt: { linked: 4 } });
  expect(Buffer.from(verified.collector)).toEqual(Buffer.from(collector.identity.id));
  for (let at = 0; at < proof.length; at++) {
    const altered = Buffer.from(proof);
    altered[at]! ^= 1;
    const again = verifyProof(altered);
    // The index alone is not signed: changing it proves another record of the same batch, or none.
    if (again.ok) expect(again.value.record).not.toEqual(verified.record);
  }
});

test("what cannot be proven yet, or any more, is refused with the reason", async () => {
  const batches = sealer.sealMany(3);
  await client.upload(sealer.chain, [batches[2]!]);
  await expect(proofAt(0)).rejects.toThrow(/409.*batch 0 is missing first/u);
  await client.upload(sealer.chain, [{ header: batches[0]!.header, payload: null }, batches[1]!]);
  await expect(proofAt(1)).rejects.toThrow(/409.*given up/u);
  await expect(proofAt(99)).rejects.toThrow(/404.*No record/u);
  expect(expectAccepted(verifyProof(await proofAt(0))).header.position.seq).toBe(2);
});
