import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createFile, replaceFile } from "./durable-file.ts";

const directory = mkdtempSync(join(tmpdir(), "paddock-durable-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("replaceFile writes, replaces and leaves nothing beside the file", async () => {
  const path = join(directory, "state.json");
  writeFileSync(`${path}.new`, "left by a crash");
  await replaceFile(path, "one");
  // More than the usual umask leaves.
  await replaceFile(path, "two", 0o664);
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(statSync(path).mode & 0o777).toBe(0o664);
  expect(readdirSync(directory)).toEqual(["state.json"]);
});

test("replaceFile keeps the old content when it cannot write", async () => {
  await expect(replaceFile(join(directory, "absent/state.json"), "x")).rejects.toMatchObject({ code: "ENOENT" });
});

test("createFile makes a file once, whoever else tries, and never replaces one", async () => {
  const path = join(directory, "key");
  const contents = Array.from({ length: 20 }, (_, index) => `key ${index}`);
  const made = await Promise.all(contents.map((content) => createFile(path, content)));
  expect(made.filter(Boolean)).toEqual([true]);
  expect(readFileSync(path, "utf8")).toBe(contents[made.indexOf(true)]);
  expect(await createFile(path, "another")).toBe(false);
  expect(readFileSync(path, "utf8")).toBe(contents[made.indexOf(true)]);
  expect(readdirSync(directory).filter((name) => name.startsWith("key"))).toEqual(["key"]);
  await expect(createFile(join(directory, "absent/key"), "x")).rejects.toMatchObject({ code: "ENOENT" });
});
