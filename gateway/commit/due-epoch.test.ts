import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { ownOf, settled, testDisk, TestStore } from "../testing/commit-world.ts";
import { CommitLoop } from "./commit-loop.ts";

const identity = generateIdentity();
const CHAIN: ChainId = { gateway: identity.id, lane: 2, epoch: 0 };
const SETTINGS = { lingerMs: 0, pressure: "refuse-new", quotaShare: 0.3 } as const;

test("while an epoch waits for room, a damaged payload is told in the new epoch and never behind the old one's end", async () => {
  const clock = new VirtualClock();
  const store = await TestStore.open(testDisk(clock), clock, { maxBytes: 60_000 });
  const loop = new CommitLoop({
    identity,
    store: store.commit,
    lanes: { alarm: SETTINGS, telemetry: SETTINGS, bulk: SETTINGS },
    losses: new Map(),
    evictionBytesMin: 2000,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const post = (bytes: number) =>
    settled(
      clock,
      new Promise<string>((resolve) => {
        const frame = { lane: 2, encodedSource: encodeSource("s"), format: 112, frame: Buffer.alloc(bytes) } as const;
        const refused = loop.submit({ ...frame, receivedUs: clock.monotonicUs() }, (failure) =>
          resolve(failure?.reason ?? "stored"),
        );
        if (refused !== undefined) resolve(refused.reason);
      }),
    );
  for (const bytes of [1000, 1]) {
    while ((await post(bytes)) === "stored");
    clock.advance(11_000);
  }
  const head = store.chains.chain(CHAIN)!.head!;
  expect(await settled(clock, loop.changeEpoch(2, 0, "fork", head))).toBe(false);
  const lost = { chain: CHAIN, seqs: [[0, 0]], records: 1, bytes: 1000 } as const;
  expect(await settled(clock, loop.quarantine(lost))).toBe(true);
  expect(store.chains.chain(CHAIN)!.head).toEqual(head);
  expect(ownOf(await store.records({ ...CHAIN, epoch: 1 }))).toEqual([
    expect.objectContaining({ kind: "epoch-change", reason: "fork", lastSeq: head.seq }),
    expect.objectContaining({ kind: "loss", reason: "quarantined", epoch: 0, ranges: [[0, 0]] }),
  ]);
});
