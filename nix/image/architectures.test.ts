import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ARCHITECTURES, architectureNamed, lockFileOf } from "./architectures.ts";
import { readLock } from "./lock.ts";

test.each([
  ["x86-64", "x86-64"],
  ["amd64", "x86-64"],
  ["x64", "x86-64"],
  ["x86_64", "x86-64"],
  ["arm64", "arm64"],
  ["aarch64", "arm64"],
  ["arm", undefined],
  ["", undefined],
])("what is called %j is %s", (name, own) => {
  expect(architectureNamed(name)?.name).toBe(own);
});

describe.each(Object.values(ARCHITECTURES))("$name", (architecture) => {
  test("has a lock with the packages of its own kernel, and what the builder runs", async () => {
    const { image, tools } = await readLock(lockFileOf(architecture), architecture);
    const kernels = image.filter(({ name }) => name.startsWith("linux-image-"));
    expect(kernels.map(({ name }) => name)).toEqual([expect.stringMatching(`-${architecture.debian}$`)]);
    expect(tools.map(({ name }) => name)).toContain("erofs-utils");
    expect(tools.every((one) => one.architecture === undefined)).toBe(true);
  });

  test("is called as Node calls it where a gateway asks which updates are for it", () => {
    const device = readFileSync(new URL("../../gateway/update/device.ts", import.meta.url), "utf8");
    expect(device).toMatch(new RegExp(`${architecture.node}: "${architecture.name}"`, "u"));
  });
});

test("an architecture without packages in a lock is an error, and not an empty image", async () => {
  const { arm64, "x86-64": x86 } = ARCHITECTURES;
  await expect(readLock(lockFileOf(x86), arm64)).rejects.toThrow("has no packages for arm64");
});
