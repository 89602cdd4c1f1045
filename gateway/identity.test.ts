import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { countBoot } from "./boot-counter.ts";
import { assertStoreIsOurs } from "./identity.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-identity-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("assertStoreIsOurs refuses a store with chains of another identity", () => {
  const ours = generateIdentity();
  const theirs = generateIdentity();
  assertStoreIsOurs(ours, [ours.id, ours.id], directory);
  expect(() => assertStoreIsOurs(ours, [ours.id, theirs.id], directory)).toThrow(
    expect.objectContaining({ code: "IDENTITY_MISMATCH" }),
  );
});

describe("countBoot", () => {
  test("counts one more whenever the boot id is another, and never goes back", async () => {
    const bootIdFile = join(directory, "boot_id");
    const boot = async (id: string, atLeast = 0) => {
      await writeFile(bootIdFile, `${id}\n`);
      return (await countBoot(directory, { bootIdFile, atLeast })).count;
    };
    expect(await boot("a")).toBe(1);
    expect(await boot("a")).toBe(1);
    expect(await boot("b")).toBe(2);
    expect(await boot("b", 9)).toBe(10);
    expect(await boot("c")).toBe(11);
    await writeFile(join(directory, "boot.json"), "{");
    expect(await boot("c", 11)).toBe(12);
  });
});
