import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { GatewayReport } from "./fleet/fleet-report.ts";
import { askJson } from "./operator/operator-client.ts";
import { CLAIM, TestCollector } from "./testing/test-collector.ts";

let collector: TestCollector;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start();
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
});

afterEach(() => collector.end());

/** The payload with which epoch 1 begins. */
function changePayload(lastSeq: number): Buffer {
  const source = encodeSource("paddock");
  const change = { kind: "epoch-change", reason: "rolled-back", previousEpoch: 0, lastSeq } as const;
  const frame = encodeGatewayRecord(change);
  const payload = Buffer.alloc(recordSize(0, source, FORMAT_GATEWAY, frame.length));
  writeRecord(payload, 0, 0, source, FORMAT_GATEWAY, frame);
  return payload;
}

/** The one piece of evidence, as the fleet has it and as it lies there, also after a restart. */
async function expectEvidence(seq: number, stored: Uint8Array, offered: Uint8Array, epoch = 1): Promise<string> {
  const room = join(collector.directory, "evidence");
  const [name, ...more] = await readdir(room);
  expect(more).toEqual([]);
  expect(await readFile(join(room, name!, "stored-header.cose"))).toEqual(Buffer.from(stored));
  expect(await readFile(join(room, name!, "offered-header.cose"))).toEqual(Buffer.from(offered));
  for (let round = 0; round < 2; round++) {
    const { gateways } = await askJson<{ gateways: GatewayReport[] }>(collector.socket, { path: "/v1/fleet" });
    expect(gateways[0]).toMatchObject({
      severity: "broken",
      forks: [{ kind: "link", lane: "telemetry", epoch, seq }],
    });
    await collector.restart();
  }
  return name!;
}

test("an epoch's first batch that its second, here before it, does not name is refused and kept as evidence", async () => {
  const later = new Sealer({ identity: sealer.identity, epoch: 1, seq: 1, previous: Buffer.alloc(32, 9) });
  const second = later.seal();
  expect((await collector.client().upload(later.chain, [second])).status).toBe(200);
  const first = new Sealer({ identity: sealer.identity, epoch: 1, previous: Buffer.alloc(32) }).seal();
  const answer = await collector.client().upload(later.chain, [first]);
  expect(answer.status).toBe(409);
  expect(answer.json()).toMatchObject({ error: "link", item: 0 });
  await expectEvidence(0, second.header, first.header);
});

test("an epoch that names another head than the one that is held is refused and kept as evidence", async () => {
  const held = sealer.sealMany(3);
  expect((await collector.client().upload(sealer.chain, held)).status).toBe(200);
  const next = new Sealer({ identity: sealer.identity, epoch: 1, previous: Buffer.alloc(32, 9) });
  const first = next.seal(changePayload(2));
  const answer = await collector.client().upload(next.chain, [first, next.seal(testPayload(5))]);
  expect(answer.status).toBe(409);
  expect(answer.json()).toMatchObject({ error: "link", item: 0 });
  const name = await expectEvidence(0, held[2]!.header, first.header);
  // Of both sides the payload, too.
  const files = await readdir(join(collector.directory, "evidence", name));
  expect(files).toEqual(expect.arrayContaining(["stored-payload.cborseq", "offered-payload.cborseq"]));
});

/** The first batch of epoch 1, which says that it follows batch 2 of epoch 0. */
const following = (previous: Uint8Array) => new Sealer({ identity: sealer.identity, epoch: 1, previous });

test("a head that comes after an epoch that names another one is refused and kept as evidence", async () => {
  const held = sealer.sealMany(3);
  const next = following(Buffer.alloc(32, 9));
  const first = next.seal(changePayload(2));
  expect((await collector.client().upload(next.chain, [first])).status).toBe(200);
  // What comes before the head says nothing yet.
  expect((await collector.client().upload(sealer.chain, held.slice(0, 2))).status).toBe(200);
  const answer = await collector.client().upload(sealer.chain, held.slice(2));
  expect(answer.status).toBe(409);
  expect(answer.json()).toMatchObject({ error: "link", item: 0 });
  const name = await expectEvidence(2, first.header, held[2]!.header, 0);
  const files = await readdir(join(collector.directory, "evidence", name));
  expect(files).toEqual(expect.arrayContaining(["stored-payload.cborseq", "offered-payload.cborseq"]));
});

test("a head that comes after the epoch that names it is taken, and so is all else of its epoch", async () => {
  const held = sealer.sealMany(5);
  const next = following(headerHash(held[2]!.header));
  expect((await collector.client().upload(next.chain, [next.seal(changePayload(2))])).status).toBe(200);
  expect((await collector.client().upload(sealer.chain, held)).status).toBe(200);
  expect(await readdir(join(collector.directory, "evidence"))).toEqual([]);
});

test("an epoch whose change comes without its payload is compared when the payload is here", async () => {
  const held = sealer.sealMany(3);
  const next = following(Buffer.alloc(32, 9));
  const first = next.seal(changePayload(2));
  expect((await collector.client().upload(next.chain, [{ ...first, payload: null }])).status).toBe(200);
  expect((await collector.client().upload(sealer.chain, held)).status).toBe(200);
  const answer = await collector.client().upload(next.chain, [first]);
  expect(answer.status).toBe(409);
  await expectEvidence(0, held[2]!.header, first.header);
});
