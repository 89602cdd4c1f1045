#!/usr/bin/env node
import { createPublicKey } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runMain } from "@paddock/base/cli.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { printJson } from "@paddock/base/printable.ts";
import type { Chunk } from "@paddock/wire/release/chunks.ts";
import { openManifest, type ReleaseManifest } from "@paddock/wire/release/manifest.ts";
import { decodeUpdateHead, UPDATE_HEAD_BYTES } from "@paddock/wire/release/update-file.ts";

const USAGE =
  "npm run delta -- OLD.update NEW.update --key KEY.pem\n  What a device with OLD fetches for NEW, in bytes.";

/** The arithmetic of `paddock gateway update check`, without a device. */
runMain(async (args) => {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { key: { type: "string" } } });
  const [old, fresh] = positionals;
  if (old === undefined || fresh === undefined || values.key === undefined) throw new PaddockError("USAGE", USAGE);
  const before = await manifestOf(old, values.key);
  const after = await manifestOf(fresh, values.key);
  const here = new Set([...before.manifest.root.chunks, ...before.manifest.uki.chunks].map(keyOf));
  const away = (chunks: readonly Chunk[]): number =>
    chunks.reduce((sum, chunk) => (here.has(keyOf(chunk)) ? sum : sum + chunk.bytes), 0);
  const { root, uki } = after.manifest;
  const parts = { manifest: after.bytes, root: away(root.chunks), uki: away(uki.chunks) };
  printJson({
    fetched: { ...parts, all: parts.manifest + parts.root + parts.uki },
    whole: { root: root.bytes, uki: uki.bytes },
    chunks: { root: root.chunks.length, uki: uki.chunks.length },
  });
  return 0;
});

async function manifestOf(path: string, key: string): Promise<{ manifest: ReleaseManifest; bytes: number }> {
  const file = await open(path, "r");
  try {
    const read = async (offset: number, length: number): Promise<Buffer> =>
      (await file.read(Buffer.alloc(length), 0, length, offset)).buffer;
    const head = decodeUpdateHead(await read(0, UPDATE_HEAD_BYTES));
    if (!head.ok) throw new PaddockError("UPDATE_INVALID", `${path}: ${head.detail}`);
    const manifest = openManifest(await read(UPDATE_HEAD_BYTES, head.value), [createPublicKey(await readFile(key))]);
    if (!manifest.ok) throw new PaddockError("UPDATE_INVALID", `${path}: ${manifest.detail}`);
    return { manifest: manifest.value, bytes: head.value };
  } finally {
    await file.close();
  }
}

function keyOf({ hash }: Chunk): string {
  return Buffer.from(hash).toString("base64");
}
