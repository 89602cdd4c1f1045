import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { encodeBatches } from "@paddock/wire/batch.ts";
import { UPLOAD_BATCHES_MAX, UPLOAD_BYTES_MAX } from "@paddock/wire/limits.ts";
import { openReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import { askHttp1, chainPath, uploadRequest, type GatewayClient, type TestAnswer } from "../testing/gateway-client.ts";
import { askJson } from "../operator/operator-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";

let collector: TestCollector;
let client: GatewayClient;
let sealer: Sealer;

beforeEach(async () => {
  collector = await TestCollector.start();
  sealer = new Sealer({ identity: testIdentity(1) });
  expect((await collector.enrol(sealer.identity, { claim: CLAIM })).status).toBe(200);
  client = collector.client();
});

afterEach(() => collector.end());

function receiptIn(answer: TestAnswer): Receipt {
  expect(answer.status, answer.body.toString("latin1")).toBe(200);
  expect(answer.headers["content-type"]).toBe('application/cose; cose-type="cose-sign1"');
  return expectAccepted(openReceipt(answer.body, collector.identity.publicKey));
}

describe("an upload", () => {
  test("is acknowledged by a signed receipt that names what is held", async () => {
    const batches = sealer.sealMany(5);
    const receipt = receiptIn(await client.upload(sealer.chain, batches));
    expect(receipt).toMatchObject({ lane: 1, epoch: 0, held: [[0, 4]], linked: 5 });
    expect(Buffer.from(receipt.head!)).toEqual(Buffer.from(batches[4]!.hash));
    expect(Buffer.from(receipt.gateway)).toEqual(Buffer.from(sealer.identity.id));
  });

  test("may come again, whole or in part, and is acknowledged again", async () => {
    const batches = sealer.sealMany(5);
    const first = await client.upload(sealer.chain, batches);
    const again = await client.upload(sealer.chain, batches);
    expect(again.body).toEqual(first.body);
    const more = receiptIn(await client.upload(sealer.chain, [...batches.slice(3), sealer.seal()]));
    expect(more).toMatchObject({ held: [[0, 5]], linked: 6 });
  });

  test("may come ahead of its predecessors: held names the gap, linked stops before it", async () => {
    const [a, b, c, d] = [sealer.seal(), sealer.seal(), sealer.seal(), sealer.seal()];
    expect(receiptIn(await client.upload(sealer.chain, [d]))).toMatchObject({ held: [[3, 3]], linked: 0, head: null });
    expect(receiptIn(await client.upload(sealer.chain, [a]))).toMatchObject({
      held: [
        [0, 0],
        [3, 3],
      ],
      linked: 1,
    });
    expect(receiptIn(await client.upload(sealer.chain, [b, c]))).toMatchObject({ held: [[0, 3]], linked: 4 });
  });

  test("may be compressed with zstd", async () => {
    const body = zstdCompressSync(encodeBatches(sealer.sealMany(3, 5000)));
    const answer = await client.ask(uploadRequest(sealer.chain, body, { "content-encoding": "zstd" }));
    expect(receiptIn(answer)).toMatchObject({ held: [[0, 2]] });
  });

  test("may come over HTTP/1.1", async () => {
    await client.receipt(sealer.chain);
    const batches = sealer.sealMany(3);
    const answer = await askHttp1(
      collector.port,
      uploadRequest(sealer.chain, encodeBatches(batches)),
      collector.proofs,
    );
    expect(receiptIn(answer)).toMatchObject({ held: [[0, 2]], linked: 3 });
    expect(
      receiptIn(await askHttp1(collector.port, { path: chainPath(sealer.chain) }, collector.proofs)),
    ).toMatchObject({ linked: 3 });
  });

  test("of an evicted batch is held, and its payload is taken when it comes later", async () => {
    const [batch] = sealer.sealMany(1);
    const stripped = { header: batch!.header, payload: null };
    const bare = { held: [[0, 0]], bare: [[0, 0]], linked: 1 };
    expect(receiptIn(await client.upload(sealer.chain, [stripped]))).toMatchObject(bare);
    expect(receiptIn(await client.receipt(sealer.chain))).toMatchObject(bare);
    const whole = { held: [[0, 0]], bare: [], linked: 1 };
    expect(receiptIn(await client.upload(sealer.chain, [batch!]))).toMatchObject(whole);
    expect(receiptIn(await client.upload(sealer.chain, [stripped]))).toMatchObject(whole);
  });
});

describe("the current receipt", () => {
  test("is none for a chain of which nothing is held (404): there is nothing to sign", async () => {
    receiptIn(await client.upload(sealer.chain, sealer.sealMany(1)));
    for (const epoch of [1, 2, 4_294_967_295]) {
      const answer = await client.receipt({ ...sealer.chain, epoch });
      expect([answer.status, answer.json().error]).toEqual([404, "no-chain"]);
    }
  });

  test("is the one given before while nothing changes, also after a restart in content", async () => {
    const given = await client.upload(sealer.chain, sealer.sealMany(2));
    expect((await client.receipt(sealer.chain)).body).toEqual(given.body);
    await collector.restart();
    const later = receiptIn(await collector.client().receipt(sealer.chain));
    expect({ ...later, received: 0 }).toEqual({ ...receiptIn(given), received: 0 });
  });
});

async function expectRefused(answer: TestAnswer, status: number, code: string, item?: number): Promise<void> {
  expect({ status: answer.status, ...answer.json() }).toMatchObject({
    status,
    error: code,
    ...(item === undefined ? {} : { item }),
  });
  expect(answer.json().message).toMatch(/\w/u);
  expect((await client.receipt(sealer.chain)).json().error).toBe("no-chain");
}

describe("refused, with nothing stored:", () => {
  test("a signature by another key (401)", async () => {
    const [good] = sealer.sealMany(1);
    const bad = Buffer.from(sealer.seal().header);
    bad[bad.length - 1]! ^= 1;
    const answer = await client.upload(sealer.chain, [good!, { header: bad, payload: null }]);
    await expectRefused(answer, 401, "signature", 1);
  });

  test("batches of another chain than the URL's (400)", async () => {
    const other = new Sealer({ identity: sealer.identity, lane: 0 }).sealMany(1);
    await expectRefused(await client.upload(sealer.chain, other), 400, "chain", 0);
  });

  test("another gateway's batches under this gateway's URL (400)", async () => {
    const other = new Sealer({ identity: testIdentity(2) }).sealMany(1);
    await expectRefused(await client.upload(sealer.chain, other), 400, "chain", 0);
  });

  test("a payload that does not hash to what the header says (400)", async () => {
    const { header, payload } = sealer.seal();
    const altered = Buffer.from(payload);
    altered[altered.length - 1]! ^= 1;
    await expectRefused(await client.upload(sealer.chain, [{ header, payload: altered }]), 400, "payload-hash", 0);
  });

  test("a payload that is no records (400)", async () => {
    await expectRefused(await client.upload(sealer.chain, [sealer.seal(Buffer.from("hello"))]), 400, "records", 0);
  });

  test("a count that is not the payload's (400)", async () => {
    const { payload } = new Sealer({ identity: sealer.identity }).seal();
    await expectRefused(await client.upload(sealer.chain, [sealer.seal(payload, 2)]), 400, "records", 0);
  });

  test("batches out of order (400)", async () => {
    const [a, b] = sealer.sealMany(2);
    await expectRefused(await client.upload(sealer.chain, [b!, a!]), 400, "order", 1);
  });

  test("no batch at all, and no CBOR (400)", async () => {
    await expectRefused(await client.ask(uploadRequest(sealer.chain, Buffer.alloc(0))), 400, "empty");
    await expectRefused(await client.ask(uploadRequest(sealer.chain, Buffer.from("no"))), 400, "batch-format");
  });

  test("another content type or encoding (400)", async () => {
    const body = encodeBatches(sealer.sealMany(1));
    const json = uploadRequest(sealer.chain, body, { "content-type": "application/json" });
    await expectRefused(await client.ask(json), 400, "content-type");
    await expectRefused(
      await client.ask(uploadRequest(sealer.chain, body, { "content-encoding": "br" })),
      400,
      "encoding",
    );
    await expectRefused(
      await client.ask(uploadRequest(sealer.chain, body, { "content-encoding": "zstd" })),
      400,
      "encoding",
    );
  });

  test("more than an upload may hold (413), stated or found out", async () => {
    const body = Buffer.alloc(UPLOAD_BYTES_MAX + 1);
    const stated = uploadRequest(sealer.chain, body, { "content-length": String(body.length) });
    await expectRefused(await client.ask(stated), 413, "too-large");
    await expectRefused(await client.ask(uploadRequest(sealer.chain, body)), 413, "too-large");
  });

  test("the same over HTTP/1.1 (413), where the answer must not get lost", async () => {
    await client.receipt(sealer.chain);
    const body = Buffer.alloc(UPLOAD_BYTES_MAX * 2);
    await expectRefused(
      await askHttp1(collector.port, uploadRequest(sealer.chain, body), collector.proofs),
      413,
      "too-large",
    );
  });

  test.each([
    ["whole", (body: Buffer) => gzipSync(body)],
    [
      "in several members",
      (body: Buffer) => Buffer.concat([gzipSync(body.subarray(0, 9)), gzipSync(body.subarray(9))]),
    ],
    ["cut", (body: Buffer) => gzipSync(body).subarray(0, -5)],
    ["empty", () => gzipSync(Buffer.alloc(0))],
  ])("gzip, %s (400), as only zstd is taken", async (_name, pack) => {
    const request = uploadRequest(sealer.chain, pack(encodeBatches(sealer.sealMany(1))), {
      "content-encoding": "gzip",
    });
    await expectRefused(await client.ask(request), 400, "encoding");
    await expectRefused(
      await client.ask({ ...request, headers: { ...request.headers, "content-encoding": "zstd" } }),
      400,
      "encoding",
    );
  });

  test("a chain more than the gateway may have (422), which is no fault of its other chains", async () => {
    await collector.end();
    collector = await TestCollector.start({ limits: { maxChainsPerGateway: 3 } });
    await collector.enrol(sealer.identity, { claim: CLAIM });
    client = collector.client();
    const { identity } = sealer;
    const chains = ([0, 1, 2] as const).map((lane) => new Sealer({ identity, lane }));
    chains.push(new Sealer({ identity, epoch: 1, previous: Buffer.alloc(32, 7) }));
    const answers = [];
    for (const chain of chains) answers.push(await client.upload(chain.chain, chain.sealMany(1)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 422]);
    expect(answers[3]!.json().error).toBe("chain-full");
    expect((await client.upload(chains[0]!.chain, chains[0]!.sealMany(1))).status).toBe(200);
  });

  test("a zstd bomb (413)", async () => {
    const bomb = zstdCompressSync(Buffer.alloc(4 * UPLOAD_BYTES_MAX));
    expect(bomb.length).toBeLessThan(UPLOAD_BYTES_MAX / 100);
    const request = uploadRequest(sealer.chain, bomb, { "content-encoding": "zstd" });
    await expectRefused(await client.ask(request), 413, "too-large");
  });

  test("more batches than a receipt could name (400)", async () => {
    const { header } = sealer.seal();
    const body = encodeBatches(Array.from({ length: UPLOAD_BATCHES_MAX + 1 }, () => ({ header, payload: null })));
    await expectRefused(await client.ask(uploadRequest(sealer.chain, body)), 400, "batch-format");
  });

  test("a batch whose link does not fit its neighbour (409)", async () => {
    const [a] = sealer.sealMany(1);
    const stranger = new Sealer({ identity: sealer.identity, seq: 1, previous: Buffer.alloc(32, 7) }).seal();
    await expectRefused(await client.upload(sealer.chain, [a!, stranger]), 409, "link", 1);
  });
});

test("a fork is refused (409), kept as evidence, and the chain goes on", async () => {
  const [a, b] = sealer.sealMany(2);
  const twin = new Sealer({ identity: sealer.identity, seq: 1, previous: a!.hash }).seal(sealer.seal().payload);
  receiptIn(await client.upload(sealer.chain, [a!, b!]));
  for (let round = 0; round < 2; round++) {
    const answer = await client.upload(sealer.chain, [twin]);
    expect({ status: answer.status, ...answer.json() }).toMatchObject({ status: 409, error: "fork", item: 0 });
  }
  expect(receiptIn(await client.receipt(sealer.chain))).toMatchObject({ held: [[0, 1]], linked: 2 });
});

describe("who is not let in (403):", () => {
  test("a gateway that never enrolled", async () => {
    const stranger = new Sealer({ identity: testIdentity(9) });
    const answer = await client.upload(stranger.chain, stranger.sealMany(1));
    expect({ status: answer.status, ...answer.json() }).toMatchObject({ status: 403, error: "not-enrolled" });
    expect((await client.receipt(stranger.chain)).status).toBe(403);
  });

  test("one that waits for the operator", async () => {
    const waiting = new Sealer({ identity: testIdentity(9) });
    expect(await collector.enrol(waiting.identity).then((answer) => [answer.status, answer.json().state])).toEqual([
      202,
      "pending",
    ]);
    expect((await client.upload(waiting.chain, waiting.sealMany(1))).json().error).toBe("not-enrolled");
  });
});

describe("enrolment", () => {
  test("by a claim code admits one gateway, also after a restart, and repeating is harmless", async () => {
    expect((await collector.enrol(sealer.identity, { claim: CLAIM })).status).toBe(200);
    expect((await collector.enrol(testIdentity(2), { claim: CLAIM })).status).toBe(202);
    await collector.restart();
    expect((await collector.enrol(sealer.identity, { claim: CLAIM })).status).toBe(200);
    expect((await collector.enrol(testIdentity(3), { claim: CLAIM })).status).toBe(202);
  });

  test("by a wrong or a used code: the gateway learns that it was not taken, the operator why", async () => {
    const events: unknown[][] = [];
    await collector.end();
    const log = { ...silentLog, warn: (...event: unknown[]) => void events.push(event) };
    collector = await TestCollector.start({}, { log });
    await collector.enrol(sealer.identity, { claim: CLAIM });
    const used = await collector.enrol(testIdentity(2), { claim: CLAIM });
    const wrong = await collector.enrol(testIdentity(3), { claim: "guess-guess" });
    const none = await collector.enrol(testIdentity(4));
    expect([used, wrong].map(({ status, body }) => [status, body.toString()])).toEqual([
      [202, used.body.toString()],
      [202, used.body.toString()],
    ]);
    expect([used.json(), none.json()]).toEqual([{ state: "pending", claim: "not-taken" }, { state: "pending" }]);
    const first = Buffer.from(sealer.identity.id).toString("hex");
    expect(events).toMatchObject([
      ["claim-not-taken", { why: `presented a claim code that was used by ${first}` }],
      ["claim-not-taken", { why: "presented a claim code that is not known" }],
    ]);
    const { gateways } = await askJson<{ gateways: { id: string; verdict: string }[] }>(collector.socket, {
      path: "/v1/fleet",
    });
    const verdict = gateways.find(({ id }) => id === Buffer.from(testIdentity(3).id).toString("hex"))?.verdict;
    expect(verdict).toBe("Waits for the operator's yes; it presented a claim code that is not known.");
  });

  test("that is not signed by the key it names is refused (401), and what is no enrolment (400)", async () => {
    const headers = { "content-type": 'application/cose; cose-type="cose-sign1"' };
    const ask = (body: Buffer) => client.ask({ method: "POST", path: "/v1/enrolments", headers, body });
    expect((await ask(Buffer.from("nothing"))).status).toBe(400);
    expect((await ask(Buffer.alloc(5000))).status).toBe(413);
  });
});

test("paths and methods that do not exist are refused, and the health check answers", async () => {
  expect((await client.ask({ path: "/" })).status).toBe(404);
  expect((await client.ask({ path: "/v1/chains/00/telemetry/0" })).status).toBe(404);
  expect((await client.ask({ path: `${chainPath(sealer.chain)}4294967296` })).status).toBe(404);
  expect((await client.ask({ method: "DELETE", path: chainPath(sealer.chain) })).status).toBe(405);
  expect((await client.ask({ path: "/healthz" })).status).toBe(200);
});
