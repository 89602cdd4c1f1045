import type { Shortage } from "@paddock/store/types.ts";
import { expect, test } from "vitest";
import type { ChainSealer } from "./chain-sealer.ts";
import { NO_LOSS, type LossBook, type LossPlan } from "./loss-book.ts";
import type { OpenBatch } from "./open-batch.ts";
import { RoomBargain, type MakeRoom } from "./room-bargain.ts";

/** What lanes ask of each other, and what a write does until it has room. */

const FULL: Shortage = { cause: "quota", wantedBytes: 1, heldBytes: 1, maxBytes: 1 };
const DISK: Shortage = { cause: "disk", wantedBytes: 1, freeBytes: 0, minFreeBytes: 1 };
const GIVES: LossPlan = {
  ...NO_LOSS,
  evictions: [{ chain: { gateway: Buffer.alloc(32), lane: 1, epoch: 0 }, seqs: [[0, 0]], records: 1, bytes: 9 }],
};

type Answer = "stored" | "stale" | Shortage;

function lane(answers: Answer[] = [], rooms: Awaited<ReturnType<MakeRoom>>[] = []) {
  const told: string[] = [];
  const planned: number[] = [];
  const wanted: [bytes: number, shortage: Shortage][] = [];
  const appended: LossPlan[] = [];
  const owing = { is: false };
  const during: (() => void)[] = [];
  const losses: Partial<LossBook> & { owing: boolean } = {
    get owing() {
      return owing.is;
    },
    plan: async (_chains, bytes) => {
      planned.push(bytes);
      return GIVES;
    },
    notSaid: () => void told.push("not said"),
    fail: () => void told.push("failed"),
    quarantine: async () => true,
  };
  const sealer: Partial<ChainSealer> = {
    chains: () => [],
    append: async (_batch, plan) => {
      appended.push(plan);
      during.shift()?.();
      const answer = answers.shift();
      if (answer === undefined) throw new Error("broken");
      return answer;
    },
  };
  const room = new RoomBargain({
    sealer: sealer as ChainSealer,
    losses: losses as LossBook,
    makeRoom: async (_asking, bytes, shortage) => {
      wanted.push([bytes, shortage]);
      return rooms.shift() ?? "none";
    },
    wake: () => void told.push("wake"),
  });
  return { room, told, planned, wanted, appended, owing, during };
}

function batchOf(bytes: number, empty = false) {
  const losses: (readonly unknown[])[] = [];
  const batch: Partial<OpenBatch> = {
    payload: Buffer.alloc(bytes),
    empty,
    setLoss: (records) => void losses.push(records),
  };
  return { batch: batch as OpenBatch, losses };
}

test("a lane that is asked is woken, and its next write answers all who asked whether it gave something up", async () => {
  for (const [answer, gave] of [["stored", true] as const, [FULL, false] as const]) {
    const { room, told, planned } = lane([answer]);
    const asked = [room.evict(10), room.evict(20)];
    expect([told, room.asked]).toEqual([["wake", "wake"], true]);
    const plan = await room.write(batchOf(5).batch);
    expect(plan).toBe(gave ? GIVES : undefined);
    expect(await Promise.all(asked)).toEqual([gave, gave]);
    expect([planned, room.asked]).toEqual([[30], false]);
    expect(told.slice(2)).toEqual(gave ? [] : ["not said"]);
  }
});

test("a lane that asks answers those who ask it no, and only meanwhile, so that two never wait for each other", async () => {
  const asking = lane(["stored"]);
  const other = lane(["stored"]);
  const before = asking.room.evict(1);
  const answer = asking.room.askOther(other.room, 7);
  expect(await before).toBe(false);
  expect(await asking.room.evict(1)).toBe(false);
  expect(other.room.asked).toBe(true);
  await other.room.write(batchOf(1).batch);
  expect(await answer).toBe(true);
  const later = asking.room.evict(1);
  expect(asking.room.asked).toBe(true);
  await asking.room.write(batchOf(1).batch);
  expect(await later).toBe(true);
  const failing = asking.room.askOther(other.room, 7);
  other.room.fail(new Error("broken"));
  await expect(failing).rejects.toThrow("broken");
  void asking.room.evict(1);
  expect(asking.room.asked).toBe(true);
});

test("a write that owes nothing plans nothing, one that does or is asked plans what goes with it", async () => {
  const plain = lane(["stored"]);
  const { batch, losses } = batchOf(5);
  expect(await plain.room.write(batch)).toBe(NO_LOSS);
  expect([plain.planned, losses, plain.appended]).toEqual([[], [[]], [NO_LOSS]]);
  const owes = lane(["stored"]);
  owes.owing.is = true;
  expect(owes.room.owing).toBe(true);
  expect(await owes.room.write(batchOf(5).batch)).toBe(GIVES);
  expect(owes.planned).toEqual([0]);
});

test("a write that gave nothing up is no room for those who asked", async () => {
  const { room } = lane([FULL, "stored"], [NO_LOSS]);
  const asked = room.evict(10);
  expect(await room.write(batchOf(5).batch)).toBe(NO_LOSS);
  expect(await asked).toBe(false);
});

test("without room it is made, more each time, for those too who ask meanwhile", async () => {
  const { room, wanted, appended, during } = lane([FULL, DISK, "stored"], [GIVES, "freed"]);
  const late: Promise<boolean>[] = [];
  during.push(() => late.push(room.evict(1000)));
  const { batch, losses } = batchOf(100);
  expect(room.shortage).toBe("quota");
  expect(await room.write(batch)).toBe(GIVES);
  expect(wanted).toEqual([
    [1100, FULL],
    [1200, DISK],
  ]);
  expect(appended).toEqual([NO_LOSS, GIVES, GIVES]);
  expect(losses).toHaveLength(2);
  expect(room.shortage).toBe("disk");
  expect(await Promise.all(late)).toEqual([true]);
});

test("a plan that a receipt overtook is made anew, and says nothing of room", async () => {
  const { room, planned, wanted, appended } = lane(["stale", "stored"]);
  const asked = room.evict(40);
  expect(await room.write(batchOf(5).batch)).toBe(GIVES);
  expect(await asked).toBe(true);
  expect([planned, wanted, appended.length, room.shortage]).toEqual([[40, 40], [], 2, "quota"]);
});

test("after eight rounds it is refused, as is a batch that has nothing left to say", async () => {
  const many = lane(
    Array.from({ length: 9 }, () => FULL),
    Array.from({ length: 9 }, () => "freed" as const),
  );
  expect(await many.room.write(batchOf(10).batch)).toBeUndefined();
  expect(many.wanted.map(([bytes]) => bytes)).toEqual([10, 20, 30, 40, 50, 60, 70, 80]);
  const { room, appended, told } = lane(["stored"]);
  expect(await room.write(batchOf(0, true).batch)).toBeUndefined();
  expect([appended, told]).toEqual([[], ["not said"]]);
});

test("a write that fails is heard by those who asked; afterwards nobody waits for the lane", async () => {
  const { room, told } = lane([]);
  const lost = GIVES.evictions[0]!;
  const asked = room.evict(10);
  const ends = Promise.allSettled([room.write(batchOf(1).batch), asked]);
  expect((await ends).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await room.quarantine(lost)).toBe(true);
  expect(told).toEqual(["wake", "wake"]);
  const waiting = room.evict(10);
  const broken = new Error("gone");
  room.fail(broken);
  await expect(waiting).rejects.toBe(broken);
  await expect(room.evict(1)).rejects.toBe(broken);
  await expect(room.quarantine(lost)).rejects.toBe(broken);
  expect([told.at(-1), room.asked]).toEqual(["failed", false]);
});
