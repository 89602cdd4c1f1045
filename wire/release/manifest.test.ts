import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { CborWriter } from "../cbor-write.ts";
import { encodeSign1, writeSignerHeader } from "../cose-sign.ts";
import { generateIdentity } from "../identity.ts";
import { RELEASE_CHUNKS_MAX } from "../limits.ts";
import { matchCddl, parseCddl } from "../testing/cddl.ts";
import { fc } from "../testing/fast-check.ts";
import { CHUNK_BLOCK_BYTES, type Chunk } from "./chunks.ts";
import { openManifest, signManifest, type ReleaseManifest } from "./manifest.ts";
import { decodeUpdateHead, encodeUpdateHead, releaseFileName, updateLayout } from "./update-file.ts";

const MAKER = generateIdentity();

function chunksOfBlocks(blocks: readonly number[], short = 0): { bytes: number; chunks: Chunk[] } {
  let offset = 0;
  const chunks = blocks.map((count, index): Chunk => {
    const bytes = count * CHUNK_BLOCK_BYTES - (index === blocks.length - 1 ? short : 0);
    offset += bytes;
    return { offset: offset - bytes, bytes, hash: Buffer.alloc(32, index) };
  });
  return { bytes: offset, chunks };
}

const MANIFEST: ReleaseManifest = {
  version: "1.2.3~rc4",
  arch: "x86-64",
  board: "uefi",
  supportedUntil: "2031-12-31",
  created: 1_790_000_000,
  commit: "c0ffee".padEnd(40, "0"),
  root: {
    ...chunksOfBlocks([1, 64, 3]),
    rootHash: Buffer.alloc(32, 7),
    salt: Buffer.alloc(32, 8),
    uuid: Buffer.alloc(16, 9),
  },
  uki: chunksOfBlocks([2, 5], 100),
};

describe("a manifest", () => {
  test("is read as it was signed", () => {
    expect(openManifest(signManifest(MAKER, MANIFEST), [MAKER.publicKey])).toEqual({ ok: true, value: MANIFEST });
  });

  test("is what wire.cddl says", async () => {
    const schema = parseCddl(await readFile(new URL("../wire.cddl", import.meta.url), "utf8"));
    expect(matchCddl(schema, "manifest", signManifest(MAKER, MANIFEST))).toBe(undefined);
  });

  test("of any chunks, too", () => {
    const list = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 50, size: "max" });
    fc.assert(
      fc.property(list, list, fc.nat(CHUNK_BLOCK_BYTES - 1), (root, uki, short) => {
        const manifest = {
          ...MANIFEST,
          root: { ...MANIFEST.root, ...chunksOfBlocks(root) },
          uki: chunksOfBlocks(uki, short),
        };
        const opened = openManifest(signManifest(MAKER, manifest), [MAKER.publicKey]);
        expect(opened).toEqual({ ok: true, value: manifest });
      }),
    );
  });

  test("of another signer is refused before it is looked into", () => {
    const signed = signManifest(MAKER, MANIFEST);
    const stranger = generateIdentity();
    expect(openManifest(signed, [stranger.publicKey])).toMatchObject({ reason: "manifest-signature" });
    const rubbish = encodeSign1(stranger.privateKey, writeSignerHeader(stranger.id), Buffer.from("rubbish"));
    expect(openManifest(rubbish, [MAKER.publicKey])).toMatchObject({ reason: "manifest-signature" });
  });

  test("with any bit changed is refused", () => {
    const signed = signManifest(MAKER, MANIFEST);
    fc.assert(
      fc.property(fc.nat(signed.length * 8 - 1), (bit) => {
        const changed = Buffer.from(signed);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(openManifest(changed, [MAKER.publicKey]).ok).toBe(false);
      }),
    );
  });

  test("is believed by whoever has an old key and the new one", () => {
    const older = generateIdentity();
    expect(openManifest(signManifest(MAKER, MANIFEST), [older.publicKey, MAKER.publicKey]).ok).toBe(true);
  });

  test.each([
    ["version", { version: "1.2.3-rc.4" }],
    ["arch", { arch: "../x" }],
    ["supported-until", { supportedUntil: "soon" }],
    ["commit", { commit: "dirty" }],
    ["root", { root: { ...MANIFEST.root, bytes: MANIFEST.root.bytes + CHUNK_BLOCK_BYTES } }],
    ["root", { root: { ...MANIFEST.root, bytes: MANIFEST.root.bytes - 3 * CHUNK_BLOCK_BYTES } }],
    ["uki", { uki: { bytes: 0, chunks: [] } }],
    ["uki", { uki: { bytes: 1 << 31, chunks: MANIFEST.uki.chunks } }],
    ["root", { root: { ...MANIFEST.root, ...chunksOfBlocks([1, 2], 7) } }],
    ["uki", { uki: chunksOfBlocks(Array.from({ length: RELEASE_CHUNKS_MAX + 1 }, () => 1)) }],
  ])("that nobody could read is not signed: %s", (word, change) => {
    expect(() => signManifest(MAKER, { ...MANIFEST, ...change })).toThrow(word);
  });

  test("of a later format says so", () => {
    const later = new CborWriter().map(1).text("format").int(2).finish();
    const opened = openManifest(encodeSign1(MAKER.privateKey, writeSignerHeader(MAKER.id), later), [MAKER.publicKey]);
    expect(opened).toMatchObject({ reason: "manifest-format" });
  });
});

describe("the file of an update", () => {
  test("has head, manifest, root, program", () => {
    const head = encodeUpdateHead(1234);
    expect(decodeUpdateHead(head)).toEqual({ ok: true, value: 1234 });
    const { root, uki, end } = updateLayout(MANIFEST, 1234);
    expect([root, uki, end]).toEqual([1250, 1250 + 68 * 4096, 1250 + 75 * 4096 - 100]);
  });

  test.each([
    ["too short", Buffer.from("PADDOCKU")],
    ["something else", Buffer.from("PK\u0003\u0004 a zip of some kind")],
    ["a later format", Buffer.from("504144444f434b550000000200000010", "hex")],
    ["without a manifest", Buffer.from("504144444f434b550000000100000000", "hex")],
    ["with an endless manifest", Buffer.from("504144444f434b5500000001ffffffff", "hex")],
  ])("is refused when it is %s", (_what, head) => {
    expect(decodeUpdateHead(head)).toMatchObject({ ok: false });
  });

  test("has the name that others look for", () => {
    expect(releaseFileName("1.2.3~rc4", "x86-64", "update")).toBe("paddock_1.2.3~rc4_x86-64.update");
    expect(releaseFileName("latest", "x86-64", "manifest")).toBe("latest_x86-64.manifest");
  });
});
