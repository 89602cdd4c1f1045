import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { RUNS_MAX } from "@paddock/store/chain-state.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { memoryDatabase } from "@paddock/store/testing/memory-database.ts";
import { Sealer, testPayload } from "@paddock/store/testing/sealer.ts";
import { encodeBatches } from "@paddock/wire/batch.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { UPLOAD_BATCHES_MAX } from "@paddock/wire/limits.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import { EvidenceRoom } from "../evidence.ts";
import { ActivityBook } from "../fleet/activity.ts";
import { takeUpload, type UploadContext } from "./upload.ts";

let directory: string;
let ledger: ChainStore;
let context: UploadContext;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-upload-"));
  const clock = new VirtualClock();
  const options = { maxBytes: 3_000_000, minFreeBytes: 0, ballastBytes: 0, arrivalLog: true, clock };
  ledger = await ChainStore.open({ database: memoryDatabase(), ...options });
  const evidence = await EvidenceRoom.open(directory, silentLog);
  context = {
    ledger,
    evidence,
    activity: await ActivityBook.open(ledger, silentLog),
    keptReceipts: { note() {} },
    clock,
    log: silentLog,
  };
});

afterEach(async () => {
  await ledger.close();
  await rm(directory, { recursive: true, force: true });
});

const take = (sealer: Sealer, body: Uint8Array) =>
  takeUpload(context, sealer.chain, sealer.identity.publicKey, body, null);

test("an upload with any one byte changed is refused, and nothing of it is stored", async () => {
  const sealer = new Sealer();
  const body = encodeBatches(sealer.sealMany(2));
  for (let at = 0; at < body.length; at++) {
    const altered = Buffer.from(body);
    altered[at]! ^= 1 << (at % 8);
    const answer = await take(sealer, altered);
    expect(answer.ok ? `byte ${at} was taken` : [400, 401].includes(answer.status)).toBe(true);
  }
  expect(ledger.chains()).toEqual([]);
  expect((await take(sealer, body)).ok).toBe(true);
});

test("no bytes whatever make it throw", async () => {
  const sealer = new Sealer();
  const good = encodeBatches(sealer.sealMany(2));
  const cut = fc.nat(good.length - 1).map((length) => good.subarray(0, length));
  const spliced = fc
    .tuple(fc.nat(good.length), fc.uint8Array({ maxLength: 20 }))
    .map(([at, more]) => Buffer.concat([good.subarray(0, at), more, good.subarray(at)]));
  await fc.assert(
    fc.asyncProperty(fc.oneof(cut, spliced, fc.uint8Array({ maxLength: 600 })), async (body) => {
      const answer = await take(sealer, body);
      // A cut behind a whole batch leaves an upload.
      if (answer.ok) expect(good.subarray(0, body.length).equals(body)).toBe(true);
      else expect(answer.status).toBeLessThan(500);
    }),
    { numRuns: scaled(2000) },
  );
});

test("the same batches on two paths at once are stored once, and both are acknowledged", async () => {
  const sealer = new Sealer();
  const body = encodeBatches(sealer.sealMany(3));
  const answers = await Promise.all([take(sealer, body), take(sealer, body), take(sealer, body)]);
  expect(answers.map(({ ok }) => ok)).toEqual([true, true, true]);
  expect(ledger.logEnd()).toBe(3);
  expect(answers.reduce((sum, answer) => sum + (answer.ok ? answer.storedRecords : 0), 0)).toBe(3);
});

test("two twins at once: one is kept, the other is evidence with both headers and payloads", async () => {
  const [one, other] = [new Sealer(), new Sealer()];
  const answers = await Promise.all([
    take(one, encodeBatches([one.seal(testPayload(1))])),
    take(other, encodeBatches([other.seal(testPayload(2))])),
  ]);
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  expect(answers.find(({ ok }) => !ok)).toMatchObject({ status: 409, code: "fork", item: 0 });
  const [kept] = await readdir(directory);
  expect((await readdir(join(directory, kept!))).toSorted()).toEqual([
    "description.json",
    "offered-header.cose",
    "offered-payload.cborseq",
    "stored-header.cose",
    "stored-payload.cborseq",
  ]);
  expect((await EvidenceRoom.open(directory, silentLog)).all()).toEqual(context.evidence.all());
});

test("a twin that comes again is told of once, and refused each time", async () => {
  const told: unknown[] = [];
  context = { ...context, log: { ...silentLog, error: (event, fields) => told.push([event, fields?.["seq"]]) } };
  const [one, other] = [new Sealer(), new Sealer()];
  await take(one, encodeBatches([one.seal(testPayload(1))]));
  const twin = encodeBatches([other.seal(testPayload(2))]);
  for (let times = 0; times < 2; times++) expect(await take(other, twin)).toMatchObject({ status: 409, code: "fork" });
  expect(told).toEqual([["fork", 0]]);
});

test("a full ledger refuses with 507 and goes on with what it has", async () => {
  const sealer = new Sealer();
  const first = encodeBatches(sealer.sealMany(1));
  expect((await take(sealer, first)).ok).toBe(true);
  const refused = await take(
    sealer,
    encodeBatches(Array.from({ length: 60 }, (_, at) => sealer.seal(testPayload(at, 60_000)))),
  );
  expect(refused).toMatchObject({ ok: false, status: 507, code: "full" });
  expect((await take(sealer, first)).ok).toBe(true);
});

test("a chain with more gaps than one may have is refused for itself (422), and may still fill them", async () => {
  const sealer = new Sealer();
  const gapped = [];
  const missing = [];
  while (gapped.length <= RUNS_MAX) {
    gapped.push(sealer.seal());
    missing.push(sealer.seal());
  }
  for (let first = 0; first < RUNS_MAX; first += UPLOAD_BATCHES_MAX) {
    const part = gapped.slice(first, Math.min(RUNS_MAX, first + UPLOAD_BATCHES_MAX));
    expect((await take(sealer, encodeBatches(part))).ok).toBe(true);
  }
  const more = encodeBatches(gapped.slice(RUNS_MAX));
  expect(await take(sealer, more)).toMatchObject({ ok: false, status: 422, code: "chain-full" });
  expect((await take(sealer, encodeBatches([missing[0]!]))).ok).toBe(true);
  expect((await take(sealer, more)).ok).toBe(true);
});

/** A payload whose only record is the gateway's own: it lost the batches 3 and 4. */
function saysLoss(): Buffer {
  const loss = { kind: "loss", reason: "evicted", epoch: 0, ranges: [[3, 4]], records: 7, bytes: 99 } as const;
  const frame = encodeGatewayRecord(loss);
  const source = encodeSource("paddock");
  const payload = Buffer.alloc(recordSize(0, source, FORMAT_GATEWAY, frame.length));
  writeRecord(payload, 0, 0, source, FORMAT_GATEWAY, frame);
  return payload;
}

test("what a gateway says of itself in an upload is told at once and after a start, and only its batch has an entry", async () => {
  const sealer = new Sealer();
  const batches = [sealer.seal(), sealer.seal(saysLoss()), sealer.seal()];
  expect(await take(sealer, encodeBatches(batches))).toMatchObject({ ok: true, batches: 3, storedRecords: 3 });
  const told = context.activity.told(sealer.chain);
  expect(told.lostRecords).toBe(7);
  expect((await ledger.side("own/")).size).toBeLessThanOrEqual(1);
  await context.activity.close();
  expect((await ActivityBook.open(ledger, silentLog)).told(sealer.chain)).toEqual(told);
});

test("an upload says what of it was new", async () => {
  const sealer = new Sealer();
  const batches = sealer.sealMany(4);
  const size = ({ header, payload }: (typeof batches)[number]): number => header.length + payload.length;
  expect(await take(sealer, encodeBatches(batches.slice(0, 2)))).toMatchObject({
    batches: 2,
    storedRecords: 2,
    storedBytes: size(batches[0]!) + size(batches[1]!),
    repeatedBatches: 0,
  });
  expect(await take(sealer, encodeBatches(batches.slice(1)))).toMatchObject({
    seqs: [[1, 3]],
    batches: 3,
    storedRecords: 2,
    storedBytes: size(batches[2]!) + size(batches[3]!),
    repeatedBatches: 1,
  });
  expect(await take(sealer, encodeBatches(batches))).toEqual({
    ok: true,
    seqs: [[0, 3]],
    batches: 4,
    storedRecords: 0,
    storedBytes: 0,
    repeatedBatches: 4,
    delayMs: null,
  });
  expect(ledger.logEnd()).toBe(4);
});

test("a payload that comes after its header is news", async () => {
  const sealer = new Sealer();
  const [first, second] = sealer.sealMany(2);
  const bare = { header: first!.header, payload: null };
  expect(await take(sealer, encodeBatches([bare, second!]))).toMatchObject({ storedRecords: 2, repeatedBatches: 0 });
  expect(await take(sealer, encodeBatches([bare]))).toMatchObject({ storedRecords: 0, repeatedBatches: 1 });
  expect(await take(sealer, encodeBatches([first!]))).toMatchObject({ storedRecords: 1, repeatedBatches: 0 });
  expect(ledger.chain(sealer.chain)).toMatchObject({ evicted: [] });
});

test("a chain is noted for its kept receipt when an upload brought news, and not when it was all there or refused", async () => {
  const noted: unknown[] = [];
  context = { ...context, keptReceipts: { note: (chain) => noted.push(chain) } };
  const sealer = new Sealer();
  const [first, second] = sealer.sealMany(2);
  await take(sealer, encodeBatches([second!, first!]));
  expect(noted).toEqual([]);
  await take(sealer, encodeBatches([first!]));
  expect(noted).toEqual([sealer.chain]);
  await take(sealer, encodeBatches([first!]));
  expect(noted).toHaveLength(1);
  await take(sealer, encodeBatches([first!, second!]));
  expect(noted).toHaveLength(2);
});

test("seqs have to ascend, from nought on and without one twice", async () => {
  const sealer = new Sealer();
  const [first, second, third] = sealer.sealMany(3);
  const order = (...batches: (typeof first)[]) => take(sealer, encodeBatches(batches.map((batch) => batch!)));
  expect(await order(first, third, second)).toMatchObject({ status: 400, code: "order", item: 2 });
  expect(await order(first, first)).toMatchObject({ status: 400, code: "order", item: 1 });
  expect(await order(first, second, third)).toMatchObject({ ok: true, seqs: [[0, 2]] });
});
