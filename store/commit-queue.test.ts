import { beforeEach, describe, expect, test } from "vitest";
import { CommitQueue } from "./commit-queue.ts";
import type { DatabaseOperation, KeyValueDatabase } from "./database.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { WriteGroup } from "./write-group.ts";

interface Write {
  readonly keys: string[];
  readonly sync: boolean;
  readonly done: PromiseWithResolvers<void>;
}

let writes: Write[];
let steps: string[];
let queue: CommitQueue;
beforeEach(() => {
  writes = [];
  steps = [];
  const database: KeyValueDatabase = {
    ...memoryDatabase(),
    batch: (operations: DatabaseOperation[], { sync }) => {
      const done = Promise.withResolvers<void>();
      writes.push({ keys: operations.map(({ key }) => Buffer.from(key).toString()), sync, done });
      return done.promise;
    },
  };
  queue = new CommitQueue(database, {
    complete: (group) => steps.push(`complete ${group.operations.length}`),
    written: (group) => steps.push(`written ${group.operations.length}`),
  });
});

/** Everything that can happen without a disk has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A request that puts one key; its name is among the steps when it is told. */
function put(key: string, bytes = 1): Promise<void> {
  return queue
    .submit(async (group) => {
      group.put(Buffer.from(key), Buffer.alloc(bytes));
      return key;
    })
    .then(
      (value) => void steps.push(value),
      (error: Error) => void steps.push(`${key}: ${error.message}`),
    );
}

const endWrite = async (index: number): Promise<void> => {
  writes[index]!.done.resolve();
  await settled();
};

describe("a group", () => {
  test("knows what it is going to write: the newest of each key, and its bytes", () => {
    const group = new WriteGroup();
    const [a, b] = [Buffer.from("a"), Buffer.from("b")];
    expect([group.bytes, group.deletes, group.sync, group.pending(a)]).toEqual([0, false, false, undefined]);
    group.put(a, Buffer.from("one"));
    group.put(a, Buffer.from("two!"));
    expect([group.bytes, group.deletes]).toEqual([4 + 5, false]);
    expect([group.pending(a), group.pending(b)]).toEqual([Buffer.from("two!"), undefined]);
    group.delete(a);
    expect([group.bytes, group.deletes, group.pending(a)]).toEqual([9, true, undefined]);
    expect(group.operations.map(({ type }) => type)).toEqual(["put", "put", "del"]);
  });
});

describe("while a write is under way", () => {
  test("what comes waits, goes out together in its order, and is told only after its own write", async () => {
    const all = [put("a")];
    await settled();
    all.push(put("b"), put("c"));
    await settled();
    expect(writes.map(({ keys }) => keys)).toEqual([["a"]]);
    expect(steps).toEqual(["complete 1"]);
    await endWrite(0);
    expect(writes.map(({ keys }) => keys)).toEqual([["a"], ["b", "c"]]);
    expect(steps).toEqual(["complete 1", "written 1", "a", "complete 2"]);
    await endWrite(1);
    await Promise.all(all);
    expect(steps.slice(4)).toEqual(["written 2", "b", "c"]);
    // Nothing is left of them: the next one begins a write of its own.
    all.push(put("d"));
    await settled();
    expect(writes[2]?.keys).toEqual(["d"]);
  });

  test("a group ends at 512 requests", async () => {
    for (let index = 0; index < 514; index++) void put(String(index));
    await settled();
    await endWrite(0);
    expect(writes.map(({ keys }) => keys.length)).toEqual([512, 2]);
  });

  test("and at 4 MiB", async () => {
    void put("a");
    await settled();
    void put("b", (4 << 20) - 2);
    void put("c", 1);
    void put("d", 1);
    await endWrite(0);
    expect(writes[1]!.keys).toEqual(["b", "c"]);
    void put("e", (4 << 20) - 1);
    void put("f", (4 << 20) - 1);
    void put("g", 1);
    await endWrite(1);
    expect(writes[2]!.keys).toEqual(["d", "e"]);
    await endWrite(2);
    expect(writes[3]!.keys).toEqual(["f"]);
  });
});

test("a request that throws is told so alone, and the others of its group are written", async () => {
  const all = [put("a")];
  const thrown = queue.submit(() => Promise.reject(new Error("no such chain")));
  all.push(put("b"));
  await expect(thrown).rejects.toThrow("no such chain");
  await settled();
  expect(writes.map(({ keys }) => keys)).toEqual([["a", "b"]]);
  await endWrite(0);
  await Promise.all(all);
  expect(steps.slice(-2)).toEqual(["a", "b"]);
});

test("a request that changes nothing needs no write, and is told all the same", async () => {
  expect(await queue.submit(async () => 7)).toBe(7);
  expect(writes).toEqual([]);
  expect(steps).toEqual(["complete 0", "written 0"]);
});

test("the disk is waited for when one request of the group needs it", async () => {
  const sync = queue.submit(async (group) => {
    group.put(Buffer.from("a"), Buffer.alloc(1));
    group.sync = true;
  });
  await settled();
  void put("b");
  await endWrite(0);
  await sync;
  expect(writes.map((write) => write.sync)).toEqual([true, false]);
});

test("after a write that failed nothing is written any more, and all who wait are told", async () => {
  const all = [put("a")];
  await settled();
  all.push(put("b"));
  expect(queue.failure).toBeUndefined();
  writes[0]!.done.reject(new Error("EIO"));
  await Promise.all(all);
  all.push(put("c"));
  await Promise.all(all);
  const failed = "A write to the store failed: EIO.";
  expect(steps).toEqual(["complete 1", `a: ${failed}`, `b: ${failed}`, `c: ${failed}`]);
  expect(queue.failure).toMatchObject({ code: "STORE_WRITE_FAILED" });
  expect(writes).toHaveLength(1);
  await queue.close();
});

test("closing waits for what was taken, and takes no more", async () => {
  const all = [put("a")];
  await settled();
  all.push(put("b"));
  let closed = false;
  const closing = queue.close("the disk is full").then(() => (closed = true));
  all.push(put("c"));
  await endWrite(0);
  expect(closed).toBe(false);
  await endWrite(1);
  await Promise.all([...all, closing]);
  // The first word holds.
  await queue.close();
  await expect(queue.submit(async () => 1)).rejects.toThrow("the disk is full");
  expect(steps).toContain("c: the disk is full");
  expect(writes.map(({ keys }) => keys)).toEqual([["a"], ["b"]]);
});

test("an idle queue closes at once, with words of its own", async () => {
  await queue.close();
  await expect(queue.submit(async () => 1)).rejects.toThrow("the store is closed");
});
