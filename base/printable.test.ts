import { expect, test } from "vitest";
import { printable } from "./printable.ts";

test.each([
  ["Grüße, 21.5 °C\n", "Grüße, 21.5 °C\n"],
  ["\u001b[2J\u001b]0;owned\u0007", "\uFFFD[2J\uFFFD]0;owned\uFFFD"],
  ["a\rb\tc", "a\uFFFDb\uFFFDc"],
  ["\u202egnp.exe", "\uFFFDgnp.exe"],
  ["\u009b31m", "\uFFFD31m"],
])("%j is printed as %j", (text, clean) => {
  expect(printable(text)).toBe(clean);
});
