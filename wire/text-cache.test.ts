import { expect, test } from "vitest";
import { fc } from "./testing/fast-check.ts";
import { TextCache } from "./text-cache.ts";

test("is what decoding gives, whatever was asked before", () => {
  const cache = new TextCache();
  const words = fc.array(fc.string({ unit: "grapheme", maxLength: 40 }), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(words, fc.nat(), fc.nat(), (texts, left, right) => {
      const [first, second] = [texts[left % texts.length]!, texts[right % texts.length]!];
      const bytes = Buffer.from(`?${first}|${second}?`);
      const middle = 1 + Buffer.byteLength(first);
      for (let round = 0; round < 2; round++) {
        expect(cache.text(bytes, 1, middle, middle + 1, bytes.length - 1)).toBe(first + second);
        expect(cache.text(bytes, 1, middle)).toBe(first);
      }
    }),
  );
});

test("bytes that are the codes of another text are not taken for it", () => {
  const cache = new TextCache();
  // U+00E9 alone is no UTF-8, and "é" is two bytes: neither is the other's text.
  expect(cache.text(Buffer.from("é"), 0, 2)).toBe("é");
  expect(cache.text(Buffer.from([0xe9]), 0, 1)).toBe("\u{FFFD}");
  expect(cache.text(Buffer.from([0xe9]), 0, 1)).toBe("\u{FFFD}");
});
