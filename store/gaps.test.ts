import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { emptyChain, encodeChainState, EVICTED_RUNS_MAX, RUNS_MAX } from "./chain-state.ts";
import { ChainStore } from "./chain-store.ts";
import { chainBytes, chainKey, KEY_SPACES, seqKey } from "./keyspace.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { placeInMemory } from "./testing/places.ts";
import { Sealer, type SealedBatch } from "./testing/sealer.ts";

test("a peer cannot make the state of a chain large by leaving gaps, and filling them goes on", async () => {
  const store = await placeInMemory().open({ arrivalLog: true });
  const sealer = new Sealer();
  const [first, second, third] = sealer.sealMany(3);
  const gapped = [first!, third!];
  while (gapped.length <= RUNS_MAX) {
    sealer.seq++;
    gapped.push(sealer.seal());
  }
  const append = (batches: readonly SealedBatch[]) => store.append({ chain: sealer.chain, batches });
  expect(await append(gapped.slice(0, RUNS_MAX))).toMatchObject({ ok: true });
  expect(await append(gapped.slice(RUNS_MAX))).toMatchObject({ ok: false, reason: "full" });
  expect(await append([second!])).toMatchObject({ ok: true });
  expect(await append(gapped.slice(RUNS_MAX))).toMatchObject({ ok: true });
  expect(store.chain(sealer.chain)).toMatchObject({ linked: 3, head: { seq: 2 * RUNS_MAX } });
  await store.close();
});

test("a chain takes no more evicted runs than can be read again, and goes on with what is whole", async () => {
  const database = memoryDatabase();
  const open = () =>
    ChainStore.open({
      database,
      maxBytes: 1 << 30,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog: true,
      clock: new VirtualClock(),
    });
  await (await open()).close();
  // A ledger after many outages, made up: it has all headers, and of every second batch no payload.
  const seq = 2 * EVICTED_RUNS_MAX;
  const sealer = new Sealer({ seq, previous: Buffer.alloc(32, 5) });
  const head = sealer.seal();
  const key = chainBytes(sealer.chain);
  const state = {
    ...emptyChain(sealer.chain, key),
    head: { seq, hash: head.hash },
    held: [[0, seq]],
    evicted: Array.from({ length: EVICTED_RUNS_MAX }, (_, run): [number, number] => [2 * run, 2 * run]),
    linked: seq + 1,
    linkedHead: head.hash,
    bytes: 1 << 24,
  } as const;
  await database.open();
  await database.batch(
    [
      { type: "put", key: chainKey(KEY_SPACES.chain, key), value: encodeChainState(state) },
      { type: "put", key: seqKey(KEY_SPACES.header, key, seq), value: head.header },
      { type: "put", key: seqKey(KEY_SPACES.payload, key, seq), value: head.payload },
    ],
    { sync: true },
  );
  await database.close();
  let store = await open();
  expect(store.recovery).toEqual([]);
  const [whole, evicted] = sealer.sealMany(2);
  const append = (header: Uint8Array, payload: Uint8Array | null) =>
    store.append({ chain: sealer.chain, batches: [{ header, payload }] });
  expect(await append(whole!.header, whole!.payload)).toMatchObject({ ok: true });
  expect(await append(evicted!.header, null)).toMatchObject({
    ok: false,
    reason: "full",
    shortage: { cause: "chain", runs: EVICTED_RUNS_MAX + 1, maxRuns: EVICTED_RUNS_MAX },
  });
  const evict = [{ chain: sealer.chain, seqs: [[seq, seq]] }] as const;
  expect(await store.append({ chain: sealer.chain, batches: [], evict })).toMatchObject({ reason: "full" });
  expect(await append(evicted!.header, evicted!.payload)).toMatchObject({ ok: true });
  await store.close();
  store = await open();
  expect(store.chain(sealer.chain)).toMatchObject({ head: { seq: seq + 2 } });
  expect(store.chain(sealer.chain)?.evicted).toHaveLength(EVICTED_RUNS_MAX);
  await store.close();
});
