import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { settled, testDisk, TestStore } from "../testing/commit-world.ts";
import { CommitLoop } from "./commit-loop.ts";

const identity = generateIdentity();
const CHAIN = { gateway: identity.id, lane: 2, epoch: 0 } as const;
const SETTINGS = { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.3 } as const;
const FRAME_BYTES = 50_000;

/** A disk of `diskBytes` on which what is deleted takes its room until it is compacted, if compacting helps at all. */
async function world({ diskBytes = 6 << 20, maxBytes = 1 << 30, compacts = true }) {
  const clock = new VirtualClock();
  const disk = testDisk(clock);
  const sizes = new Map<string, number>();
  let used = 0;
  let garbage = 0;
  let compactions = 0;
  const write = disk.batch.bind(disk);
  disk.batch = async (operations, options) => {
    await write(operations, options);
    for (const operation of operations) {
      const key = Buffer.from(operation.key).toString("latin1");
      garbage += sizes.get(key) ?? 0;
      sizes.delete(key);
      if (operation.type !== "put") continue;
      sizes.set(key, operation.value.length);
      used += operation.value.length;
    }
  };
  disk.compactRange = async () => {
    compactions++;
    if (compacts) [used, garbage] = [used - garbage, 0];
  };
  const store = await TestStore.open(disk, clock, { maxBytes, freeBytes: () => diskBytes - used });
  const loop = new CommitLoop({
    identity,
    store: store.commit,
    lanes: { alarm: SETTINGS, telemetry: SETTINGS, bulk: SETTINGS },
    losses: new Map(),
    evictionBytesMin: 4 * FRAME_BYTES,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const post = () =>
    settled(
      clock,
      new Promise<string>((resolve) => {
        const frame = {
          lane: 2,
          encodedSource: encodeSource("s"),
          format: 112,
          frame: Buffer.alloc(FRAME_BYTES),
        } as const;
        const refused = loop.submit({ ...frame, receivedUs: clock.monotonicUs() }, (failure) =>
          resolve(failure?.reason ?? "stored"),
        );
        if (refused !== undefined) resolve(refused.reason);
      }),
    );
  const chain = () => store.chains.chain(CHAIN)!;
  return { clock, post, loop, evicted: () => countOf(chain().evicted), chain, compactions: () => compactions };
}

test("the disk is full: room is made by compacting, and only as much is evicted as that needs", async () => {
  const { post, chain, evicted } = await world({});
  const outcomes = new Set<string>();
  for (let index = 0; index < 300; index++) outcomes.add(await post());
  expect([...outcomes]).toEqual(["stored"]);
  // 5 MiB above the floor hold a hundred of these; most of them must be there with their payload.
  expect(chain().bytes).toBeGreaterThan(40 * FRAME_BYTES);
  expect(evicted()).toBeGreaterThan(100);
});

test("where evicting gives the disk nothing back, it stops: the rest stays and new frames are refused", async () => {
  const { clock, post, chain, evicted, loop } = await world({ compacts: false });
  let last = "";
  for (let index = 0; index < 200; index++) {
    last = await post();
    // Beyond the time for which a refusal lasts.
    if (last !== "stored") clock.advance(11_000);
  }
  expect(last).toBe("store-full");
  expect(evicted()).toBeLessThanOrEqual(8);
  expect(chain().bytes).toBeGreaterThan(40 * FRAME_BYTES);
  expect(loop.lanes()[2]).toMatchObject({ shortage: "disk" });
});

test("where evicting gave the disk nothing back, it is tried again as soon as something else freed room, once", async () => {
  const { clock, post, evicted, loop } = await world({ compacts: false });
  while ((await post()) === "stored");
  clock.advance(11_000);
  const before = evicted();
  expect(await post()).toBe("store-full");
  expect(evicted()).toBe(before);
  loop.roomFreed();
  await post();
  const after = evicted();
  expect(after).toBeGreaterThan(before);
  for (let index = 0; index < 5; index++) {
    clock.advance(11_000);
    await post();
  }
  expect(evicted()).toBe(after);
});

test("the quota is reached: evicting frees it at once, and nothing is compacted for it", async () => {
  const { post, evicted, compactions } = await world({ diskBytes: 1 << 30, maxBytes: 3 << 20 });
  for (let index = 0; index < 100; index++) expect(await post()).toBe("stored");
  expect(evicted()).toBeGreaterThan(20);
  expect(compactions()).toBe(0);
});
