import { afterEach, beforeEach, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { verifyProof } from "@paddock/wire/proof.ts";
import { ask } from "../operator/operator-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import { openLedger } from "../testing/ledger-file.ts";

let collector: TestCollector;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start();
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
});

afterEach(() => collector.end());

const verifiedAt = async (offset: number) =>
  expectAccepted(verifyProof(await ask(collector.socket, { path: `/v1/proof?offset=${offset}` })));

async function upload(count: number): Promise<void> {
  const batches = sealer.sealMany(count);
  for (let first = 0; first < count; first += 500) {
    const { status } = await collector.client().upload(sealer.chain, batches.slice(first, first + 500));
    expect(status).toBe(200);
  }
}

test("a record far behind the head is proven by the receipt that was kept next to it", async () => {
  await upload(1100);
  expect(await verifiedAt(0)).toMatchObject({ links: 256, receipt: { linked: 256 } });
  expect(await verifiedAt(255)).toMatchObject({ links: 1, receipt: { linked: 256 } });
  expect(await verifiedAt(256)).toMatchObject({ links: 256, receipt: { linked: 512 } });
  // Behind the last one kept, a receipt of its own.
  expect(await verifiedAt(1024)).toMatchObject({ links: 76, receipt: { linked: 1100 } });
});

test("the receipt in a proof is the one that was signed when the chain got there, also after a restart", async () => {
  await upload(256);
  await collector.collector.settled();
  const { received } = (await verifiedAt(3)).receipt;
  await upload(300);
  await collector.restart();
  const again = await verifiedAt(3);
  expect(again.receipt).toMatchObject({ received, linked: 256, held: [[0, 255]] });
});

test("a ledger that has no receipts gets them when it is opened", async () => {
  await upload(800);
  await collector.collector.settled();
  await collector.whileStopped(async () => {
    const ledger = await openLedger(collector.directory);
    const kept = await ledger.side("receipt");
    // Three receipts and one mark.
    expect(kept.size).toBe(4);
    const side = [...kept.keys()].map((key) => ({ key, value: null }));
    await ledger.append({ chain: sealer.chain, batches: [], side });
    await ledger.close();
  });
  await collector.collector.settled();
  const { received } = (await verifiedAt(300)).receipt;
  await collector.whileStopped(async () => {
    const ledger = await openLedger(collector.directory);
    expect([...(await ledger.side("receipt/")).keys()].map((key) => Number(key.split("/").at(-1)))).toEqual([
      256, 512, 768,
    ]);
    await ledger.close();
  });
  expect((await verifiedAt(300)).receipt.received).toBe(received);
});

test("a kept receipt that the disk changed is not believed: one is signed anew", async () => {
  await upload(300);
  await collector.collector.settled();
  await collector.whileStopped(async () => {
    const ledger = await openLedger(collector.directory);
    const [key, value] = [...(await ledger.side("receipt/"))][0]!;
    const altered = Buffer.from(value);
    altered[100]! ^= 1;
    await ledger.append({ chain: sealer.chain, batches: [], side: [{ key, value: altered }] });
    await ledger.close();
  });
  expect(await verifiedAt(0)).toMatchObject({ links: 256, receipt: { linked: 256 } });
});
