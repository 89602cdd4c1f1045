import { createRequire } from "node:module";
import type jsqr from "jsqr";
import { PNG } from "pngjs";
import { expect, test } from "vitest";
import { labelLines, labelPng, labelUri } from "./label.ts";

// Its types say that the function is the default export; the module is the function.
const jsQR = createRequire(import.meta.url)("jsqr") as typeof jsqr.default;
const id = "0123456789abcdef".repeat(4);

test.each([
  { version: "1.2.3", id, claim: "7K3M-ABCD-0001-ZZZZ", hostname: "barn-3" },
  { version: "1.2.3~rc1", claim: "early bird & co" },
  { version: "1.2.3", id },
])("an independent reader finds in the QR code what the label says: %o", (facts) => {
  const { data, width, height } = PNG.sync.read(labelPng(facts));
  const read = jsQR(new Uint8ClampedArray(data), width, height);
  expect(read?.data).toBe(labelUri(facts));
  const url = new URL(read!.data);
  expect(url.protocol).toBe("paddock:");
  const { version: _, ...fields } = facts;
  expect(Object.fromEntries(url.searchParams)).toEqual(fields);
});

test("people read the same", () => {
  expect(labelLines({ version: "1.2.3", hostname: "barn-3", id, claim: "7K3M" })).toEqual([
    "PADDOCK 1.2.3",
    "barn-3",
    "ID",
    id.slice(0, 32),
    id.slice(32),
    "CLAIM CODE",
    "7K3M",
  ]);
  expect(labelLines({ version: "1.2.3" })).toEqual(["PADDOCK 1.2.3", "ID: MADE AT FIRST BOOT"]);
});

/** The pixels beside the code. */
function rightOf(claim: string): Buffer {
  const png = PNG.sync.read(labelPng({ version: "1", claim }));
  const rows = Array.from({ length: png.height }, (_, y) => y * png.width);
  return Buffer.concat(rows.map((row) => png.data.subarray((row + 330) * 4, (row + png.width) * 4)));
}

test("the words are drawn: another claim is another picture beside the code, too", () => {
  expect(rightOf("AAAA").equals(rightOf("AAAB"))).toBe(false);
});
