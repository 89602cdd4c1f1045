import type { Shortage } from "@paddock/store/types.ts";
import { expect, test } from "vitest";
import type { LaneWriter } from "./lane-writer.ts";
import { NO_LOSS, type LossPlan } from "./loss-book.ts";
import type { CommitStore } from "./ports.ts";
import type { RoomBargain } from "./room-bargain.ts";
import { RoomMaker } from "./room-maker.ts";

/** In which order room is looked for, and when looking for it ends. */

const GATEWAY = Buffer.alloc(32);
const QUOTA: Shortage = { cause: "quota", wantedBytes: 1, heldBytes: 1, maxBytes: 1 };
const DISK: Shortage = { cause: "disk", wantedBytes: 1, freeBytes: 0, minFreeBytes: 1 };
const CHAIN: Shortage = { cause: "chain", runs: 2, maxRuns: 1 };
const GIVES: LossPlan = {
  ...NO_LOSS,
  evictions: [{ chain: { gateway: GATEWAY, lane: 2, epoch: 0 }, seqs: [[0, 0]], records: 1, bytes: 9 }],
};

function world({ trims = 0, compacts = [] as number[], own = GIVES, others = true } = {}) {
  const did: string[] = [];
  const rooms = [0, 1, 2].map((lane) => {
    const room: Partial<RoomBargain> = {
      planOf: async (bytes) => {
        did.push(`lane ${lane} plans ${bytes}`);
        return own;
      },
      askOther: async (other, bytes) => {
        did.push(`lane ${lane} asks lane ${rooms.indexOf(other)} for ${bytes}`);
        return others;
      },
    };
    return room as RoomBargain;
  });
  const writers = rooms.map((room, lane): Partial<LaneWriter> => {
    const chain = { gateway: GATEWAY, lane: lane as 0 | 1 | 2, epoch: 0 };
    const sealer = { chain, chains: () => [chain] } as unknown as LaneWriter["sealer"];
    return { room, sealer, settings: { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.1 } };
  });
  const store: Partial<CommitStore> = {
    trim: async () => {
      did.push("trim");
      return trims;
    },
    compact: async () => {
      did.push("compact");
      return compacts.shift() ?? 0;
    },
    chain: ({ lane }) => ({ bytes: [0, 1000, 3000][lane] }) as ReturnType<CommitStore["chain"]>,
  };
  const maker = new RoomMaker({
    store: store as CommitStore,
    writers: writers as LaneWriter[],
    evictionBytesMin: 100,
  });
  const make = async (lane: number, shortage: Shortage, bytes = 10) => {
    did.length = 0;
    return maker.makeRoom(rooms[lane]!, bytes, shortage);
  };
  return { maker, make, did };
}

test("a chain of too many runs has no room that anybody could make", async () => {
  const { make, did } = world({ trims: 5, compacts: [5] });
  expect(await make(2, CHAIN)).toBe("none");
  expect(did).toEqual([]);
});

test("within the quota what is acknowledged goes first, then a lane's own oldest, so much at least", async () => {
  const trimmed = world({ trims: 1 });
  expect(await trimmed.make(2, QUOTA)).toBe("freed");
  expect(trimmed.did).toEqual(["trim"]);
  const { make, did } = world();
  expect(await make(2, QUOTA)).toBe(GIVES);
  expect(did).toEqual(["trim", "lane 2 plans 100"]);
  expect(await make(2, QUOTA, 101)).toBe(GIVES);
  expect(did).toEqual(["trim", "lane 2 plans 101"]);
  expect(await make(0, QUOTA)).toBe("freed");
  expect(did).toEqual(["trim", "lane 0 asks lane 2 for 100"]);
});

test("who has nothing to give is passed over, until nobody is left", async () => {
  const { make, did } = world({ own: NO_LOSS, others: false });
  expect(await make(0, QUOTA)).toBe("none");
  expect(did.slice(1)).toEqual(["lane 0 asks lane 2 for 100", "lane 0 asks lane 1 for 100", "lane 0 plans 100"]);
});

test("on a full disk it is compacted first; an eviction that gave it nothing back is not repeated until room is freed", async () => {
  const { maker, make, did } = world({ trims: 7, compacts: [3] });
  expect(await make(2, DISK)).toBe("freed");
  expect(did).toEqual(["trim", "compact"]);
  expect(await make(2, DISK)).toBe(GIVES);
  expect(did).toEqual(["trim", "compact", "lane 2 plans 100"]);
  for (let time = 0; time < 2; time++) {
    expect(await make(2, DISK)).toBe("none");
    expect(did).toEqual(["trim", "compact"]);
  }
  maker.roomFreed();
  expect(await make(2, DISK)).toBe(GIVES);
});

test("a compaction that helped lets evictions go on, and so does one that found nothing to evict", async () => {
  const { make } = world({ compacts: [0, 3, 0, 0, 2, 0] });
  expect(await make(2, DISK)).toBe(GIVES);
  expect(await make(2, DISK)).toBe("freed");
  expect(await make(2, DISK)).toBe(GIVES);
  expect(await make(2, DISK)).toBe("none");
  expect(await make(2, DISK)).toBe("freed");
  expect(await make(2, DISK)).toBe(GIVES);
  const poor = world({ own: NO_LOSS, others: false });
  for (let time = 0; time < 3; time++) {
    expect(await poor.make(2, DISK)).toBe("none");
    expect(poor.did.length).toBeGreaterThan(2);
  }
});
