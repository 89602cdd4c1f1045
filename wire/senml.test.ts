import { Encoder, Tag } from "cbor-x";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { resolveSenml } from "./senml-read.ts";
import { checkSenml, describeSenmlProblem, type SenmlProblem } from "./senml.ts";
import { CBOR_DEPTH_MAX, SENML_EXTENSION_LABELS_MAX } from "./limits.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false, variableMapSize: true });
const PLAIN = { lwm2m: false };
const NOW = 1_700_000_000;

type Label = number | string;
type Field = number | string | boolean | Uint8Array | Tag | readonly number[];
type Pairs = readonly (readonly [Label, Field])[];

/** Encodes pairs as they stand, duplicates and all. `style` chooses definite or indefinite containers. */
function encodePack(records: readonly Pairs[], style: "definite" | "indefinite" = "definite"): Buffer {
  const open = (major: number, count: number) => Buffer.from([(major << 5) | (style === "definite" ? count : 31)]);
  const close = Buffer.from(style === "definite" ? [] : [0xff]);
  const maps = records.map((pairs) => {
    if (pairs.length > 23) throw new Error("too many pairs for this encoder");
    return Buffer.concat([open(5, pairs.length), ...pairs.flat().map((item) => encodeItem(item)), close]);
  });
  if (records.length > 23) throw new Error("too many records for this encoder");
  return Buffer.concat([open(4, records.length), ...maps, close]);
}

function encodeItem(item: unknown): Buffer {
  // cbor-x writes views into its pool, and typed arrays with a tag.
  return Buffer.from(encoder.encode(item instanceof Uint8Array ? Buffer.from(item) : item));
}

const numbers = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 }),
  fc.tuple(fc.integer({ min: -9, max: 3 }), fc.integer()).map((pair) => new Tag(pair, 4)),
);
const nameTails = fc.stringMatching(/^[A-Za-z0-9:./_-]{0,12}$/);
const nameHeads = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9:./_-]{0,12}$/);
const valuePairs: fc.Arbitrary<Pairs> = fc.oneof(
  numbers.map((value) => [[2, value]] as const),
  fc.string({ unit: "grapheme", maxLength: 30 }).map((value) => [[3, value]] as const),
  fc.boolean().map((value) => [[4, value]] as const),
  byteStrings(0, 30).map((value) => [[8, value]] as const),
  numbers.map((value) => [[5, value]] as const),
);
const optionalPairs = fc
  .record(
    {
      "-3": numbers,
      "-4": fc.string({ maxLength: 5 }),
      "-5": numbers,
      "-6": numbers,
      1: fc.string({ maxLength: 5 }),
      6: numbers,
      7: numbers,
      x: fc.array(fc.nat(), { maxLength: 3 }),
    },
    { requiredKeys: [] },
  )
  .map((fields): Pairs =>
    Object.entries(fields).map(([label, value]) => [label === "x" ? label : Number(label), value as Field]),
  );
const recordOf = (name: fc.Arbitrary<Pairs>) =>
  fc
    .tuple(name, valuePairs, optionalPairs)
    .chain(([names, value, rest]) =>
      fc.shuffledSubarray([...names, ...value, ...rest], { minLength: names.length + value.length + rest.length }),
    );
const packs = fc
  .tuple(
    recordOf(
      fc.tuple(nameHeads, nameTails).map(([base, name]): Pairs => [
        [-2, base],
        [0, name],
      ]),
    ),
    fc.array(recordOf(nameTails.map((name): Pairs => [[0, name]])), { maxLength: 5 }),
  )
  .map(([first, rest]) => [first].concat(rest));

function numberOf(value: Field | undefined): number {
  if (value === undefined) return 0;
  if (!(value instanceof Tag)) return value as number;
  const [exponent, mantissa] = value.value as [number, number];
  return Number(`${mantissa}e${exponent}`);
}

/** RFC 8428 §4.6 the plain way, on the pairs that were encoded. */
function model(records: readonly Pairs[]): unknown[] {
  const base = new Map<Label, Field>();
  return records
    .map((pairs) => {
      const own = new Map(pairs);
      for (const [label, value] of own) if (typeof label === "number" && label < 0) base.set(label, value);
      const time = numberOf(base.get(-3)) + numberOf(own.get(6));
      const other = own.get(3) ?? own.get(4) ?? own.get(8);
      const hasNumber = own.has(2) || base.has(-5);
      return {
        name: `${base.get(-2) as string}${(own.get(0) as string | undefined) ?? ""}`,
        unit: own.get(1) ?? base.get(-4),
        value: other ?? (hasNumber ? numberOf(base.get(-5)) + numberOf(own.get(2)) : undefined),
        time: time < 2 ** 28 ? NOW + time : time,
        sum: own.has(5) || base.has(-6) ? numberOf(base.get(-6)) + numberOf(own.get(5)) : undefined,
        updateTime: own.has(7) ? numberOf(own.get(7)) : undefined,
      };
    })
    .toSorted((left, right) => left.time - right.time);
}

/** Byte strings as hex, -0 as 0: what cannot be told apart in the encoding. */
function comparable(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, field: unknown) => {
      if (field instanceof Uint8Array) return `bytes ${Buffer.from(field).toString("hex")}`;
      return typeof field === "object" && field !== null && "type" in field
        ? `bytes ${Buffer.from(field as never).toString("hex")}`
        : field;
    }),
  );
}

describe("valid packs", () => {
  test.each(["definite", "indefinite"] as const)("%s: are taken, and resolve as RFC 8428 §4.6 says", (style) => {
    fc.assert(
      fc.property(packs, (records) => {
        const bytes = encodePack(records, style);
        expect(checkSenml(bytes, PLAIN)).toBeUndefined();
        expect(comparable(expectAccepted(resolveSenml(bytes, { now: NOW })))).toEqual(comparable(model(records)));
      }),
    );
  });

  test("the check does not care where the pack lies in memory", () => {
    fc.assert(
      fc.property(packs, byteStrings(0, 9), (records, before) => {
        const bytes = encodePack(records);
        const moved = Buffer.concat([before, bytes]).subarray(before.length);
        expect(checkSenml(moved, PLAIN)).toBeUndefined();
        expect(resolveSenml(moved, { now: 0 })).toEqual(resolveSenml(bytes, { now: 0 }));
      }),
      { numRuns: 30 },
    );
  });

  test("a pack without its end is refused at every length", () => {
    fc.assert(
      fc.property(packs, fc.constantFrom("definite" as const, "indefinite" as const), (records, style) => {
        const bytes = encodePack(records, style);
        for (let length = 0; length < bytes.length; length++)
          expect(checkSenml(bytes.subarray(0, length), PLAIN)).toBe("malformed");
      }),
      { numRuns: 30 },
    );
  });
});

describe("what makes a pack invalid", () => {
  const record = (...pairs: Pairs) => encodePack([[[0, "a"], ...pairs]]);
  const cases: readonly (readonly [string, Uint8Array, SenmlProblem | undefined])[] = [
    ["a boolean as unit", record([1, true], [2, 1]), "value-type"],
    ["a text as time", record([2, 1], [6, "now"]), "value-type"],
    ["a number as boolean", record([4, 1]), "value-type"],
    ["a text as data", record([8, "aGk"]), "value-type"],
    ["bytes as string", record([3, Buffer.from("a")]), "value-type"],
    ["bignum as value", record([2, new Tag(Buffer.from([1]), 2)]), "value-type"],
    ["a decimal fraction of three", record([2, new Tag([1, 2, 3], 4)]), "value-type"],
    ["a decimal fraction of a text", record([2, new Tag([1, "2"], 4)]), "value-type"],
    ["bver as text", record([2, 1], [-1, "10"]), "version"],
    ["bver -1", record([2, 1], [-1, -1]), "version"],
    ["bver 10", record([2, 1], [-1, 10]), undefined],
    [
      "two versions",
      encodePack([
        [
          [-1, 10],
          [0, "a"],
          [2, 1],
        ],
        [
          [-1, 5],
          [0, "a"],
          [2, 1],
        ],
      ]),
      "version",
    ],
    ["infinity, half", Buffer.from("81a200616102f97c00", "hex"), "number"],
    ["infinity, single", Buffer.from("81a200616102fa7f800000", "hex"), "number"],
    ["minus infinity, double", Buffer.from("81a200616102fbfff0000000000000", "hex"), "number"],
    [
      "the greatest half, single and double",
      Buffer.from("83a200616102f97bffa200616102fa7f7fffffa200616102fb7fefffffffffffff", "hex"),
      undefined,
    ],
    ["value null", Buffer.from("81a200616102f6", "hex"), "value-type"],
    ["a label in long form", Buffer.from("81a2180061610201", "hex"), undefined],
    ["the same label in short and long form", Buffer.from("81a3006161180061620201", "hex"), "duplicate-label"],
    ["two names", record([0, "b"], [2, 1]), "duplicate-label"],
    ["an unknown integer label twice", record([2, 1], [99, 1], [99, 2]), "duplicate-label"],
    ["labels 99 and -100", record([2, 1], [99, 1], [-100, 2]), undefined],
    ["a text label in chunks", Buffer.from("81a300616102017f6178ff00", "hex"), "label-type"],
    ["a text label that is not UTF-8", Buffer.from("81a3006161020161c000", "hex"), "utf8"],
    ["string value that is not UTF-8", Buffer.from("81a20061610362c328", "hex"), "utf8"],
    ["an empty label", record([2, 1], ["", 1]), undefined],
    ["a label that is an underscore", record([2, 1], ["_", 1]), "must-understand"],
    ["as many extensions as are taken", record([2, 1], ...extensions(SENML_EXTENSION_LABELS_MAX)), undefined],
    ["one more", record([2, 1], ...extensions(SENML_EXTENSION_LABELS_MAX + 1)), "label-count"],
    ["value and sum", record([2, 1], [5, 1]), undefined],
    ["string and data", record([3, "a"], [8, Buffer.from("a")]), "several-values"],
    ["vlo outside LwM2M is no value", record(["vlo", "1:2"]), "no-value"],
    [
      "an empty name",
      encodePack([
        [
          [0, ""],
          [2, 1],
        ],
      ]),
      "name-missing",
    ],
    [
      "an empty base name clears the one before",
      encodePack([
        [
          [-2, "a"],
          [2, 1],
        ],
        [
          [-2, ""],
          [2, 1],
        ],
      ]),
      "name-missing",
    ],
    [
      "a base name alone names",
      encodePack([
        [
          [-2, "a"],
          [2, 1],
        ],
      ]),
      undefined,
    ],
    ["a base name for later records", encodePack([[[-2, "a"]], [[2, 1]]]), undefined],
    [
      "a base name that starts with a dot",
      encodePack([
        [
          [-2, "."],
          [0, "a"],
          [2, 1],
        ],
      ]),
      "name-start",
    ],
    [
      "a name behind the base name may start with a dot",
      encodePack([
        [
          [-2, "a"],
          [0, ".b"],
          [2, 1],
        ],
      ]),
      undefined,
    ],
    [
      "a name that is not ASCII",
      encodePack([
        [
          [0, "é"],
          [2, 1],
        ],
      ]),
      "name-characters",
    ],
    ["an empty record", encodePack([[]]), "no-value"],
    ["an extension alone", encodePack([[["x", 1]]]), "no-value"],
    ["an empty indefinite array", Buffer.from("9fff", "hex"), "no-records"],
    ["a record behind the break", Buffer.from("9fa20061610201ffa0", "hex"), "trailing-bytes"],
    ["2^53 records announced", Buffer.from("9b0020000000000000", "hex"), "malformed"],
    ["2^64-1 bytes of name", Buffer.from("81a2007bffffffffffffffff", "hex"), "malformed"],
    [
      "too deep an extension",
      Buffer.concat([
        Buffer.from("81a300616102016178", "hex"),
        Buffer.alloc(CBOR_DEPTH_MAX + 1, 0x81),
        Buffer.from([0]),
      ]),
      "malformed",
    ],
    ["a reserved head", Buffer.from("81a2006161021c", "hex"), "malformed"],
    ["an indefinite integer", Buffer.from("81a2006161021f", "hex"), "malformed"],
  ];
  test.each(cases)("%s", (_, bytes, problem) => {
    expect(checkSenml(bytes, PLAIN)).toBe(problem);
  });

  test("every problem has words of its own", () => {
    const words = cases.flatMap(([, , problem]) => (problem === undefined ? [] : [describeSenmlProblem(problem)]));
    expect(new Set(words).size).toBe(new Set(cases.map(([, , problem]) => problem)).size - 1);
  });
});

function extensions(count: number): Pairs {
  return Array.from({ length: count }, (_, index) => [`x${index}`, index] as const);
}

describe("LwM2M and streams", () => {
  const lwm2m = { lwm2m: true };

  test("names may start with a slash on LwM2M only", () => {
    const pack = encodePack([
      [
        [-2, "/3303/0/"],
        [0, "5700"],
        [2, 21.5],
      ],
    ]);
    expect(checkSenml(pack, lwm2m)).toBeUndefined();
    expect(checkSenml(pack, PLAIN)).toBe("name-start");
  });

  test("an object link is a text, and the only value", () => {
    expect(
      checkSenml(
        encodePack([
          [
            [0, "/1/0/1"],
            ["vlo", "3:0"],
          ],
        ]),
        lwm2m,
      ),
    ).toBeUndefined();
    expect(
      checkSenml(
        encodePack([
          [
            [0, "/1/0/1"],
            ["vlo", 3],
          ],
        ]),
        lwm2m,
      ),
    ).toBe("value-type");
    expect(
      checkSenml(
        encodePack([
          [
            [0, "/1/0/1"],
            ["vlo", "3:0"],
            [2, 1],
          ],
        ]),
        lwm2m,
      ),
    ).toBe("several-values");
    expect(
      checkSenml(
        encodePack([
          [
            [0, "/1/0/1"],
            ["vlo", "3:0"],
            ["vlo", "3:1"],
          ],
        ]),
        lwm2m,
      ),
    ).toBe("duplicate-label");
  });

  test("whatever a gateway takes on either resource resolves", () => {
    const odd = encodePack([
      [
        [0, "a"],
        [2, 1],
        ["vlo", 5],
      ],
    ]);
    expect(checkSenml(odd, PLAIN)).toBeUndefined();
    expect(expectAccepted(resolveSenml(odd, { now: NOW }))).toMatchObject([{ name: "a", value: 1 }]);
    const both = encodePack([
      [
        [0, "a"],
        [2, 1],
        ["vlo", "1:2"],
      ],
    ]);
    expect(checkSenml(both, PLAIN)).toBeUndefined();
    expect(expectAccepted(resolveSenml(both, { now: NOW }))).toMatchObject([{ name: "a", value: 1 }]);
  });

  test("a stream may stay open between records, not inside one", () => {
    const open = encodePack(
      [
        [
          [0, "a"],
          [2, 1],
        ],
      ],
      "indefinite",
    ).subarray(0, -1);
    expect(checkSenml(open, { lwm2m: false, sensml: true })).toBeUndefined();
    expect(checkSenml(open, PLAIN)).toBe("malformed");
    expect(checkSenml(open.subarray(0, -1), { lwm2m: false, sensml: true })).toBe("malformed");
    expect(checkSenml(Buffer.from([0x9f]), { lwm2m: false, sensml: true })).toBe("no-records");
    expect(expectAccepted(resolveSenml(open, { now: NOW }))).toMatchObject([{ name: "a", value: 1, time: NOW }]);
  });
});

describe("resolveSenml", () => {
  test.each([
    [2 ** 28 - 1, NOW + 2 ** 28 - 1],
    [2 ** 28, 2 ** 28],
    [-60, NOW - 60],
    [0, NOW],
  ])("time %d is %d", (time, absolute) => {
    expect(
      expectAccepted(
        resolveSenml(
          encodePack([
            [
              [0, "a"],
              [2, 1],
              [6, time],
            ],
          ]),
          { now: NOW },
        ),
      )[0]!.time,
    ).toBe(absolute);
  });

  test("a sum that overflows is refused, not infinite", () => {
    const pack = encodePack([
      [
        [-5, 1.7e308],
        [0, "a"],
        [2, 1.7e308],
      ],
    ]);
    expect(resolveSenml(pack, { now: NOW })).toMatchObject({ ok: false, reason: "number" });
  });

  test("refuses what the check refuses", () => {
    expect(resolveSenml(new Uint8Array(0), { now: NOW })).toMatchObject({ ok: false, reason: "malformed" });
  });
});
