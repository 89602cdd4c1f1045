import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { readBlockMap } from "./block-map.ts";
import { blockMapOf, imageOf } from "./testing/release-fixture.ts";

const image = imageOf();
const text = blockMapOf(image);

/** The map with a change, and its own checksum made anew: whoever signs may still err. */
function changed(from: string | RegExp, to: string): string {
  const edited = text.replace(from, to).replace(/(<BmapFileChecksum> )\w+/u, `$1${"0".repeat(64)}`);
  return edited.replace("0".repeat(64), createHash("sha256").update(edited).digest("hex"));
}

test("the ranges hold all bytes that are not zero", () => {
  const map = readBlockMap(text);
  if (!map.ok) throw new Error(map.detail);
  expect(map.value.imageBytes).toBe(image.length);
  const rest = Buffer.from(image);
  for (const { from, to, sha256 } of map.value.ranges) {
    expect(createHash("sha256").update(image.subarray(from, to)).digest("hex")).toBe(sha256);
    rest.fill(0, from, to);
  }
  expect(rest.every((byte) => byte === 0)).toBe(true);
});

test.each([
  ["no XML", "hello", "not XML"],
  ["another document", "<x/>", "root"],
  ["an older format", changed('version="2.0"', 'version="1.3"'), "1.3"],
  ["another checksum", changed("sha256", "sha1"), "sha1"],
  ["a changed byte", text.replace(/chksum="../u, 'chksum="00'), "own checksum"],
  ["ranges out of order", changed(/> 0(?:-\d+)? </u, "> 900-901 <"), "out of order"],
  ["a range behind the end", changed(/> 0(?:-\d+)? </u, "> 99999999 <"), "out of order"],
  ["a range that is none", changed(/> 0(?:-\d+)? </u, "> 0-1-2 <"), "no range"],
  ["a size that is none", changed(/<BlockSize> \d+/u, "<BlockSize> 0"), "BlockSize"],
  ["no range", changed(/<BlockMap>[^]*<\/BlockMap>/u, "<BlockMap></BlockMap>"), "nothing"],
])("%s is refused", (_, input, why) => {
  expect(readBlockMap(input)).toMatchObject({ ok: false, detail: expect.stringContaining(why) });
});
