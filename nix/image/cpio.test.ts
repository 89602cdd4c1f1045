import { expect, test } from "vitest";
import { cpioOf } from "./cpio.ts";
import type { Tree } from "./tree.ts";

const tree: Tree = new Map([
  ["usr/bin/tool", { kind: "text", mode: 0o755, content: "#!/bin/sh\n" }],
  ["bin", { kind: "link", to: "usr/bin" }],
  ["dev", { kind: "directory", mode: 0o700 }],
]);

test("directories come before what is in them, and every member begins at a multiple of four", async () => {
  const archive = (await cpioOf(tree)).toString("latin1");
  const names = [...archive.matchAll(/070701[0-9a-f]{104}([^\0]+)\0/gu)].map(([, name]) => name);
  expect(names).toEqual(["bin", "dev", "usr", "usr/bin", "usr/bin/tool", "TRAILER!!!"]);
  for (const match of archive.matchAll(/070701[0-9a-f]{104}/gu)) expect(match.index % 4).toBe(0);
});

test("the same tree gives the same bytes, in whatever order it was made", async () => {
  const reversed: Tree = new Map([...tree].toReversed());
  expect((await cpioOf(reversed)).equals(await cpioOf(tree))).toBe(true);
});
