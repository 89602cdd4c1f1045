import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readRequest } from "./request.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "paddock-request-"));
});
afterEach(() => rm(folder, { recursive: true }));

const REQUEST = {
  id: "r1",
  kind: "release",
  url: "http://[2001:db8::1]/",
  version: "1.1.0",
  manifestSha256: "a".repeat(64),
};

test("a request is read", async () => {
  const path = join(folder, "request.json");
  await writeFile(path, JSON.stringify(REQUEST));
  expect(await readRequest(path)).toEqual(REQUEST);
});

test.each([
  ["not JSON", "{"],
  ["of another kind", JSON.stringify({ ...REQUEST, kind: "config" })],
  ["for no version", JSON.stringify({ ...REQUEST, version: "../../etc" })],
  ["without an id", JSON.stringify({ ...REQUEST, id: "" })],
  ["for any manifest", JSON.stringify({ ...REQUEST, manifestSha256: "" })],
  ["too long", JSON.stringify({ ...REQUEST, more: "x".repeat(5000) })],
])("one that is %s is none", async (_what, content) => {
  const path = join(folder, "request.json");
  await writeFile(path, content);
  await expect(readRequest(path)).rejects.toMatchObject({ code: "USAGE" });
});

test("a link to what only root may read is not followed", async () => {
  const path = join(folder, "request.json");
  await writeFile(join(folder, "secret"), JSON.stringify(REQUEST));
  await symlink(join(folder, "secret"), path);
  await expect(readRequest(path)).rejects.toMatchObject({ code: "USAGE" });
});
