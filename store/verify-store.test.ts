import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { ChainStore } from "./chain-store.ts";
import type { Damage } from "./damage.ts";
import { chainBytes, KEY_SPACES, logKey, seqKey } from "./keyspace.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer } from "./testing/sealer.ts";
import { verifyStore, type VerifyPosition } from "./verify-store.ts";

test("a slow look over everything finds each damaged place, at its pace, and goes on where it was stopped", async () => {
  const database = memoryDatabase();
  const clock = new VirtualClock();
  const told: Damage[] = [];
  const store = await ChainStore.open({
    database,
    maxBytes: 1 << 24,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: true,
    clock,
    onDamage: (found) => told.push(found),
  });
  const lanes = [0, 1, 2] as const;
  const sealers = lanes.map((lane) => new Sealer({ lane }));
  for (const sealer of sealers) await store.append({ chain: sealer.chain, batches: sealer.sealMany(100, 1000) });
  const key = (lane: number) => chainBytes(sealers[lane]!.chain);
  await database.batch(
    [
      { type: "del", key: seqKey(KEY_SPACES.payload, key(0), 31) },
      { type: "put", key: seqKey(KEY_SPACES.payload, key(1), 70), value: Buffer.alloc(1012) },
      { type: "del", key: seqKey(KEY_SPACES.header, key(2), 99) },
      { type: "del", key: logKey(150) },
    ],
    { sync: true },
  );
  const positions: VerifyPosition[] = [];
  /** Moves the time until the look is done; says how many ms that took. */
  const run = async (options: { from?: VerifyPosition }) => {
    const state = { done: false };
    const bytesPerSecond = 10_000;
    const looking = verifyStore(store, { bytesPerSecond, clock, onStep: (at) => positions.push(at), ...options });
    const finished = looking.finally(() => (state.done = true));
    const before = clock.monotonicUs();
    while (!state.done) {
      await new Promise((resolve) => void setImmediate(resolve));
      clock.advance(100);
    }
    return { result: await finished, seconds: (clock.monotonicUs() - before) / 1e6 };
  };
  const { result, seconds } = await run({});
  expect(result).toMatchObject({ chains: 3, complete: true, damaged: 4 });
  expect(told.map(({ what, seq, offset, chain }) => [what, chain?.lane, seq ?? offset])).toEqual([
    ["payload", 0, 31],
    ["payload", 1, 70],
    ["header", 2, 99],
    ["log", undefined, 150],
  ]);
  expect(seconds).toBeGreaterThan((result.bytes - 400_000) / 10_000);

  const stop = new AbortController();
  positions.length = 0;
  const stopped = verifyStore(store, {
    bytesPerSecond: 1e9,
    clock,
    signal: stop.signal,
    onStep: (at) => {
      positions.push(at);
      if (positions.length === 5) stop.abort();
      else queueMicrotask(() => clock.advance(1000));
    },
  });
  expect(await stopped).toMatchObject({ complete: false });
  const resumed = await run({ from: positions.at(-1)! });
  expect(resumed.result).toMatchObject({ complete: true, chains: 2 });
  expect(resumed.result.damaged).toBe(3);
  // Told once, whoever looks.
  expect(told).toHaveLength(4);
  await store.close();
});
