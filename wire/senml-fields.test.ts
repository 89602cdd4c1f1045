import { expect, test } from "vitest";
import { FIELD_NAMES, slotOfName } from "./senml-fields.ts";

const slotOf = (text: string): number => slotOfName(Buffer.from(`-${text}-`), 1, 1 + text.length);

test("each name of a field is that of its slot, and no other text is one", () => {
  expect(FIELD_NAMES.map(slotOf)).toEqual(FIELD_NAMES.map((_, slot) => slot));
  for (const other of ["", "V", "x", "vl", "vlo ", "bverb", "\0v", "nn"])
    expect([other, slotOf(other)]).toEqual([other, -1]);
});
