import { describe, expect, test } from "vitest";
import { encodeHead, encodeSlot, HEAD_BYTES, judgeHead, KEY_BYTES, SLOT_BYTES } from "@paddock/wire/key-slot.ts";
import { tableOf } from "./device-mapper.ts";
import { openData } from "./open-data.ts";
import { FakePartition, FakeTpm, PowerCut } from "./testing/fake-partition.ts";

const EMPTY = encodeHead({ keeper: "none" });
const slotOf = (partition: FakePartition) => {
  const content = judgeHead(partition.raw);
  return content.kind === "slot" ? content.slot : undefined;
};
/** The key that the file system is behind, hex. */
const keyOf = (partition: FakePartition) => /plain64 ([0-9a-f]{128}) /u.exec(partition.formattedAs ?? "")?.[1];

describe.each([
  ["with a TPM", true],
  ["without a TPM", false],
])("%s", (_name, withTpm) => {
  const fresh = () => new FakePartition(EMPTY, withTpm ? new FakeTpm() : undefined);

  test("the first start makes the partition, and every later one opens what the first made", async () => {
    const partition = fresh();
    await openData(partition.start());
    const { mapped } = partition;
    expect(mapped).toBe(partition.formattedAs);
    expect(slotOf(partition)?.keeper).toBe(withTpm ? "tpm" : "disk");
    expect(partition.raw.includes(keyOf(partition)!)).toBe(!withTpm);
    await openData(partition.start());
    expect(partition.mapped).toBe(mapped);
    expect(partition.keys).toBe(1);
    expect(partition.told.at(-1)).toMatch(withTpm ? /key is in the TPM/u : /no TPM/u);
  });

  test("power that goes at any step leaves a partition that the next start opens or makes", async () => {
    let cuts = 0;
    for (let steps = 0; ; steps += 1 / 16) {
      const partition = fresh();
      const outcome = await openData(partition.start(steps)).catch((error: unknown) => error);
      if (outcome === undefined) break;
      expect(outcome).toBeInstanceOf(PowerCut);
      cuts++;
      await openData(partition.start());
      // Whatever is open has its file system behind it.
      expect(partition.mapped).toBe(partition.formattedAs);
      const { mapped } = partition;
      await openData(partition.start());
      expect(partition.mapped).toBe(mapped);
    }
    expect(cuts).toBeGreaterThan(40);
  });
});

test("in another machine, or after the TPM was cleared, nothing opens and nothing changes", async () => {
  const [own, other] = [new FakeTpm(), new FakeTpm("other")];
  const partition = new FakePartition(EMPTY, own);
  await openData(partition.start());
  const before = Buffer.from(partition.raw);
  for (const tpm of [other, undefined]) {
    partition.tpm = tpm;
    await expect(openData(partition.start())).rejects.toMatchObject({
      code: "DATA_LOCKED",
      message: expect.stringMatching(/TPM of the machine that made it.*Nothing was changed/u) as string,
    });
    expect(partition.mapped).toBeUndefined();
    expect(partition.raw.equals(before)).toBe(true);
  }
  partition.tpm = own;
  await openData(partition.start());
  await own.clear();
  await expect(openData(partition.start())).rejects.toMatchObject({ code: "DATA_LOCKED" });
  expect(partition.raw.equals(before)).toBe(true);
});

test("a partition of an earlier image opens as it is", async () => {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16LE(0xef53, 1024 + 56);
  const partition = new FakePartition(head, new FakeTpm());
  await openData(partition.start());
  expect(partition.mapped).toBe(`0 ${(64 * 1024 * 1024) / 512} linear /dev/data 0`);
  expect(partition.formattedAs).toBeUndefined();
  expect(partition.raw.equals(head)).toBe(true);
  expect(partition.told.join()).toMatch(/NOT encrypted/u);
});

test("what is damaged is not made anew", async () => {
  const both = encodeHead({ keeper: "disk", key: Buffer.alloc(KEY_BYTES, 7) });
  both.fill(1, 0, SLOT_BYTES);
  both.fill(1, 65_536);
  for (const head of [both, Buffer.alloc(HEAD_BYTES), Buffer.alloc(HEAD_BYTES, 0x5a)]) {
    const partition = new FakePartition(head);
    const before = Buffer.from(partition.raw);
    await expect(openData(partition.start())).rejects.toMatchObject({ code: "DATA_LOCKED" });
    expect([partition.mapped, partition.formattedAs]).toEqual([undefined, undefined]);
    expect(partition.raw.equals(before)).toBe(true);
  }
});

test("a TPM that refuses, or gives back something else, is not relied on", async () => {
  for (const broken of [
    { seal: () => Promise.reject(new Error("TPM2_CreatePrimary: refused (0x9a2)")) },
    { unseal: () => Promise.resolve(Buffer.alloc(KEY_BYTES)) },
  ]) {
    const partition = new FakePartition(EMPTY, Object.assign(new FakeTpm(), broken));
    await openData(partition.start());
    expect(slotOf(partition)?.keeper).toBe("disk");
    expect(partition.told.join()).toMatch(/WARNING: the TPM/u);
  }
});

test("the table begins behind the slots and ends with the last whole block", () => {
  const key = Buffer.alloc(KEY_BYTES, 0xab);
  expect(tableOf("/dev/x", 3 * 1024 * 1024 + 777, key)).toBe(
    `0 4096 crypt aes-xts-plain64 ${"ab".repeat(64)} 0 /dev/x 2048 1 sector_size:4096`,
  );
  expect(() => tableOf("/dev/x", HEAD_BYTES, key)).toThrow(/no room/u);
  expect(encodeSlot({ keeper: "disk", key }).includes("ab".repeat(64))).toBe(true);
});
