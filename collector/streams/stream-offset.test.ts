import { assert, maxSafeNat, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { cursorAt, offsetText, readStreamOffset } from "./stream-offset.ts";

const log = { name: "ab".repeat(16), end: () => 42 };

describe("an offset", () => {
  test("sorts as its place does, and leads back to it", () => {
    assert(
      property(maxSafeNat(), maxSafeNat(), (left, right) => {
        const texts = [offsetText(log, left), offsetText(log, right)] as const;
        expect(texts[0] < texts[1]).toBe(left < right);
        expect(readStreamOffset({ ...log, end: () => left }, [texts[0]])).toEqual({
          ok: true,
          value: { place: left, isNow: false },
        });
      }),
    );
  });

  test("is the beginning without one or with -1, and the end with now", () => {
    for (const given of [[], ["-1"]]) {
      expect(readStreamOffset(log, given)).toMatchObject({ value: { place: 0, isNow: false } });
    }
    expect(readStreamOffset(log, ["now"])).toMatchObject({ value: { place: 42, isNow: true } });
  });

  test.each([
    [["", "-1"], "query"],
    [[""], "query"],
    [["7"], "query"],
    [["-2"], "query"],
    [["NOW"], "query"],
    [["0000000000000001"], "query"],
    [[`${"9".repeat(16)}_${"ab".repeat(16)}`], "gone"],
    [[`0000000000000001_${"cd".repeat(16)}`], "gone"],
    [[`0000000000000043_${"ab".repeat(16)}`], "gone"],
  ])("%j is refused: %s", (given, reason) => {
    expect(readStreamOffset(log, given)).toMatchObject({ ok: false, reason });
  });
});

describe("a cursor", () => {
  const wallMs = Date.UTC(2024, 9, 9) + 1000 * 20_000 + 7;

  test("is the number of the interval", () => {
    expect(cursorAt(wallMs, null, 0.5)).toBe("1000");
    expect(cursorAt(wallMs, "999", 0.5)).toBe("1000");
    expect(cursorAt(wallMs, "junk", 0.5)).toBe("1000");
    expect(cursorAt(0, null, 0.5)).toBe("0");
  });

  test("goes on from what was shown, by an hour at most", () => {
    expect(cursorAt(wallMs, "1000", 0)).toBe("1001");
    expect(cursorAt(wallMs, "5000", 0.999)).toBe("5180");
  });
});
