import { assert, integer, maxSafeNat, property, string, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { double, fixed64, message, packedDoubles, packedFixed64, readFields, text, varint } from "./protobuf.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("Protocol Buffers", () => {
  test("are written as its own guide shows them", () => {
    expect(hex(varint(1, 150))).toBe("089601");
    expect(hex(text(2, "testing"))).toBe("120774657374696e67");
    expect(hex(message(3, [varint(1, 150)]))).toBe("1a03089601");
    expect(hex(fixed64(2, 1n))).toBe("110100000000000000");
    expect(hex(double(4, 1))).toBe("21000000000000f03f");
    expect(hex(packedDoubles(7, [1]))).toBe("3a08000000000000f03f");
    expect(hex(packedFixed64(6, [2, 1]))).toBe("321002000000000000000100000000000000");
  });

  test("leave out what has its default, but for doubles, which say by being there that they have a value", () => {
    expect(hex(Buffer.concat([varint(1, 0), text(2, ""), fixed64(3, 0n)]))).toBe("");
    expect(double(4, 0)).toHaveLength(9);
  });

  test("are read as they were written", () => {
    const whole = maxSafeNat().filter((value) => value > 0);
    assert(
      property(
        integer({ min: 1, max: 500 }),
        whole,
        string({ minLength: 1, maxLength: 300, size: "max" }),
        (field, value, said) => {
          const bytes = Buffer.concat([varint(field, value), double(field, value), text(field, said)]);
          const [first, second, third] = readFields(bytes)!;
          expect(first).toEqual({ field, value });
          expect(Buffer.from(second!.value as Uint8Array).readDoubleLE()).toBe(value);
          expect(Buffer.from(third!.value as Uint8Array).toString()).toBe(Buffer.from(said).toString());
        },
      ),
    );
  });

  test("bytes of a stranger are fields or none, and end", () => {
    assert(
      property(uint8Array({ size: "max", maxLength: 200 }), (bytes) => {
        for (const { value } of readFields(bytes) ?? []) expect(value).not.toBeNaN();
      }),
    );
    for (const cut of ["08", "0896", "1205", "21000000", "0b", "08ffffffffffffffffffffff01"]) {
      expect(readFields(Buffer.from(cut, "hex")), cut).toBeUndefined();
    }
  });
});
