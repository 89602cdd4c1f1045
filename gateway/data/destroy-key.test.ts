import { expect, test } from "vitest";
import { encodeHead, HEAD_BYTES, judgeHead } from "@paddock/wire/key-slot.ts";
import { destroyData } from "./destroy-key.ts";
import { openData } from "./open-data.ts";
import { FakePartition, FakeTpm, PowerCut } from "./testing/fake-partition.ts";

const EMPTY = encodeHead({ keeper: "none" });
const NOTHING = { kind: "slot", slot: { keeper: "none" } };

/** A partition in use, with its first megabyte as a thief copied it. */
async function used(tpm?: FakeTpm): Promise<{ partition: FakePartition; copy: Buffer; table: string }> {
  const partition = new FakePartition(EMPTY, tpm);
  await openData(partition.start());
  return { partition, copy: Buffer.from(partition.raw), table: partition.mapped! };
}

test.each([[new FakeTpm()], [undefined]])(
  "the key is nowhere on the disk, and the next start takes another (%o)",
  async (tpm) => {
    const { partition, copy, table } = await used(tpm);
    expect(await destroyData(partition.start())).toBe("key");
    expect(judgeHead(partition.raw)).toEqual(NOTHING);
    const lines = copy
      .toString("latin1")
      .split("\n")
      .filter((line) => /^(?:key|public|private) /u.test(line));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(partition.raw.includes(line.split(" ")[1]!)).toBe(false);
    await openData(partition.start());
    expect(partition.mapped).not.toBe(table);
  },
);

test("a copy of the slot that somebody kept opens nothing once the TPM has forgotten", async () => {
  const { partition, copy } = await used(new FakeTpm());
  await destroyData(partition.start());
  copy.copy(partition.raw);
  await expect(openData(partition.start())).rejects.toMatchObject({ code: "DATA_LOCKED" });
});

test("a TPM that forgets nothing and a disk that takes nothing back do not keep the key from being destroyed", async () => {
  const tpm = Object.assign(new FakeTpm(), {
    clear: () => {
      throw new Error("TPM2_Clear: refused (0x120)");
    },
  });
  const { partition } = await used(tpm);
  partition.discardable = false;
  expect(await destroyData(partition.start())).toBe("key");
  expect(judgeHead(partition.raw)).toEqual(NOTHING);
  expect(partition.told.join("\n")).toMatch(/forgets nothing: TPM2_Clear[^]*takes nothing back/u);
});

test("cut off at any step and done again, it destroys the key", async () => {
  for (const withTpm of [true, false]) {
    for (let steps = 0, isCut = true; isCut; steps += 1) {
      const { partition, copy } = await used(withTpm ? new FakeTpm() : undefined);
      const outcome = await destroyData(partition.start(steps)).catch((error: unknown) => error);
      isCut = outcome instanceof PowerCut;
      await destroyData(partition.start());
      expect(judgeHead(partition.raw)).toEqual(NOTHING);
      if (withTpm) {
        copy.copy(partition.raw);
        await expect(openData(partition.start()), String(steps)).rejects.toMatchObject({ code: "DATA_LOCKED" });
      }
    }
  }
});

test("what is not encrypted is overwritten whole, and encrypted from then on", async () => {
  const head = Buffer.alloc(HEAD_BYTES, 0xcc);
  head.writeUInt16LE(0xef53, 1024 + 56);
  const partition = new FakePartition(head);
  expect(await destroyData(partition.start())).toBe("all");
  expect(partition.raw.includes(0xcc)).toBe(false);
  expect(judgeHead(partition.raw)).toEqual(NOTHING);
  await openData(partition.start());
  expect(partition.mapped).toContain(" crypt ");
});

test("a disk that answers and does not write is told", async () => {
  const { partition } = await used();
  await expect(destroyData({ ...partition.start(), write: () => Promise.resolve() })).rejects.toMatchObject({
    code: "RESET_FAILED",
    message: expect.stringMatching(/something else is read back/u) as string,
  });
});
