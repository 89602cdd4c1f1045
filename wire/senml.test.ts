import { Encoder, Tag } from "cbor-x";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { readSenml, resolveSenml } from "./senml-read.ts";
import { checkSenml, explainSenml, type SenmlProblem } from "./senml.ts";
import { CBOR_DEPTH_MAX, SENML_BIGNUM_BYTES_MAX, SENML_EXTENSION_LABELS_MAX } from "./limits.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false, variableMapSize: true });
const PLAIN = { lwm2m: false };
const NOW = 1_700_000_000;

type Label = number | string;
type Field = number | string | boolean | Uint8Array | Tag | Raw | readonly number[];
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

/** An item that is encoded already, for `encodePack`. */
class Raw {
  readonly bytes: Buffer;
  constructor(hex: string) {
    this.bytes = Buffer.from(hex, "hex");
  }
}
const RAW = (hex: string): Raw => new Raw(hex);

function encodeItem(item: unknown): Buffer {
  if (item instanceof Raw) return item.bytes;
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
        unit: (own.get(1) ?? base.get(-4)) || undefined,
        value: other ?? (hasNumber ? numberOf(base.get(-5)) + numberOf(own.get(2)) : undefined),
        time: time < 2 ** 28 ? NOW + time : time,
        sum: own.has(5) || base.has(-6) ? numberOf(base.get(-6)) + numberOf(own.get(5)) : undefined,
        contentFormat: undefined,
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
    ["bver 26: secondary units (RFC 9100)", record([2, 1], [-1, 26]), undefined],
    ["bver 5, a draft's", record([2, 1], [-1, 5]), "version"],
    ["bver 42: a feature that nobody knows", record([2, 1], [-1, 42]), "version"],
    [
      "bver 26 behind a record without",
      encodePack([
        [
          [0, "a"],
          [2, 1],
        ],
        [
          [-1, 26],
          [0, "a"],
          [2, 1],
        ],
      ]),
      "version-differs",
    ],
    [
      "bver 10 behind a record without",
      encodePack([
        [
          [0, "a"],
          [2, 1],
        ],
        [
          [-1, 10],
          [0, "a"],
          [2, 1],
        ],
      ]),
      undefined,
    ],
    [
      "no bver behind one of 26",
      encodePack([
        [
          [-1, 26],
          [0, "a"],
          [2, 1],
        ],
        [
          [0, "a"],
          [2, 1],
        ],
      ]),
      undefined,
    ],
    ...["bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"].map(
      (label) => [`the label ${label} as text`, record([2, 1], [label, 1]), "text-label"] as const,
    ),
    ["ct and bct", record([8, Buffer.from("a")], ["ct", "60"], ["bct", "62"]), undefined],
    ["ct as number", record([8, Buffer.from("a")], ["ct", 60]), "value-type"],
    ["ct twice", record([8, Buffer.from("a")], ["ct", "60"], ["ct", "60"]), "duplicate-label"],
    ["python's Decimal(1)/3", record([2, RAW("c482381bc24c0ac544ca14b700cb05555555")]), undefined],
    ["a negative bignum as mantissa", record([2, RAW("c48201c34101")]), undefined],
    ["an empty bignum as mantissa", record([2, RAW("c48201c240")]), undefined],
    ["a decimal fraction in an indefinite array", record([2, RAW("c49f21190866ff")]), undefined],
    ["one that is not closed", record([2, RAW("c49f2119086600")]), "value-type"],
    ["a bignum as exponent", record([2, RAW("c482c2410101")]), "value-type"],
    ["a mantissa of 128 bytes", record([2, RAW(`c48239012bc25880${"ff".repeat(128)}`)]), undefined],
    ["a mantissa of 129 bytes", record([2, RAW(`c48239012bc25881${"ff".repeat(129)}`)]), "mantissa"],
    ["a mantissa in chunks", record([2, RAW("c48221c25f4101ff")]), "value-type"],
    ["a mantissa that is another tag's bytes", record([2, RAW("c48200c54101")]), "value-type"],
    ["a mantissa of two bytes that read like a bignum", record([2, RAW("c48200424101")]), "value-type"],
    ["a mantissa of three bytes that read like a bignum", record([2, RAW("c4820043420101")]), "value-type"],
    ["10^400", record([2, new Tag([400, 1], 4)]), "number"],
    ["0 * 10^400", record([2, new Tag([400, 0], 4)]), undefined],
    ["10^-400", record([2, new Tag([-400, 1], 4)]), undefined],
    ["base value and value overflow", record([-5, 1.797e308], [2, 1.797e308]), "number"],
    [
      "base value and value of later records overflow",
      encodePack([
        [[-5, 1.797e308]],
        [
          [0, "a"],
          [2, 1.797e308],
        ],
      ]),
      "number",
    ],
    ["2^1023 twice", record([-5, 2 ** 1023], [2, 2 ** 1023]), "number"],
    ["a simple value below 32 in two bytes", record([2, RAW("f81f")]), "malformed"],
    ["simple value 32", record([2, RAW("f820")]), "value-type"],
    ["a byte string that holds a pair", record([2, RAW("4482010200")]), "value-type"],
    ["an array of four", record([2, RAW("8482010200")]), "value-type"],
    ["the largest pair that does not overflow", record([-5, 8.98e307], [2, 8.98e307]), undefined],
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
          [-1, 26],
          [0, "a"],
          [2, 1],
        ],
      ]),
      "version-differs",
    ],
    ["an update time beyond the doubles", record([2, 1], [7, new Tag([400, 1], 4)]), "number"],
    ["the longest update time", record([2, 1], [7, 1.7e308]), undefined],
    ["base sum and sum overflow", record([-6, 1.797e308], [5, 1.797e308]), "number"],
    ["base time and time overflow", record([2, 1], [-3, 1.797e308], [6, 1.797e308]), "number"],
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
    ["a label of 2^53", Buffer.from("81a300616102011b002000000000000000", "hex"), "label-type"],
    ["a label of 2^53 - 1", Buffer.from("81a300616102011b001fffffffffffff00", "hex"), undefined],
    ["a zero byte before a field's name", record([2, 1], ["\u0000v", 1]), undefined],
    ["bytes before a field's name", record([2, 1], ["xbver", 1]), undefined],
    ["an empty label", record([2, 1], ["", 1]), undefined],
    ["a label that is an underscore", record([2, 1], ["_", 1]), "must-understand"],
    ["a label that begins as another one does", record([2, 1], ["abc", 1], ["ab", 1], ["abd", 1]), undefined],
    ["a label that another one begins with", record([2, 1], ["ab", 1], ["abc", 1]), undefined],
    ["a text label twice", record([2, 1], ["ab", 1], ["ac", 1], ["ab", 1]), "duplicate-label"],
    ["a zero where a record should be", Buffer.from("8100", "hex"), "record-type"],
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
    const words = new Map<SenmlProblem, string>();
    for (const [, bytes, problem] of cases) {
      if (problem !== undefined) words.set(problem, explainSenml(bytes, PLAIN)!.replace(/^record \d+/u, ""));
    }
    expect(new Set(words.values()).size).toBe(words.size);
    for (const text of words.values()) expect(text).toMatch(/^[ -~]{1,90}$/u);
  });

  // What is wrong, and what would be right where that is not the same.
  const WORDS: Readonly<Record<SenmlProblem, RegExp>> = {
    malformed: /not well-formed CBOR/u,
    "not-array": /instead of an array of records/u,
    "trailing-bytes": /bytes behind the end/u,
    "no-records": /no record/u,
    "record-type": /^record 1 is .*, not a map$/u,
    "label-type": /^record 1 has .* as a label; a label is an integer or a definite text$/u,
    "text-label": /^record 1: the label "\w+" has to be the integer -?\d+$/u,
    "label-count": new RegExp(`^record 1 has more than ${SENML_EXTENSION_LABELS_MAX} labels`, "u"),
    "duplicate-label": /^record 1 has (n \(0\)|ct|the label (99|"ab")) twice$/u,
    "must-understand": /^record 1 has the label "_", which ends in _ and is not understood$/u,
    version: /^record 1, bver \(-1\): known are 10, and 26/u,
    "version-differs": /^record 2, bver \(-1\): not the version of the records before/u,
    "value-type": /^record 1, (u \(1\)|v \(2\)|vs \(3\)|vb \(4\)|t \(6\)|vd \(8\)|ct): .* (instead of|without) /u,
    mantissa: new RegExp(`^record 1, v \\(2\\): a mantissa of more than ${SENML_BIGNUM_BYTES_MAX} bytes$`, "u"),
    number: /^record [12], (v \(2\)|s \(5\)|t \(6\)|ut \(7\)): not finite as a double/u,
    utf8: /^record 1( has a label that is|, vs \(3\):) not UTF-8$/u,
    "several-values": /^record 1 has vs and vd: one value is allowed$/u,
    "no-value": /^record 1 has neither value nor sum nor base field$/u,
    "name-missing": /^record [12] has no name$/u,
    "name-characters": /^record 1, n \(0\): a character other than A-Z a-z 0-9 - : \. \/ _$/u,
    "name-start": /^record 1 has a name that does not start with a letter or digit$/u,
  };
  test.each(cases.filter(([, , problem]) => problem !== undefined))(
    "%s: record, field and rule in words",
    (_, bytes, problem) => {
      expect(explainSenml(bytes, PLAIN)).toMatch(WORDS[problem!]);
    },
  );

  test("a good pack has nothing to explain", () => {
    expect(explainSenml(record([2, 1]), PLAIN)).toBeUndefined();
  });

  test("an object link is named among several values", () => {
    const words = explainSenml(record([2, 1], ["vlo", "1:2"]), { lwm2m: true });
    expect(words).toBe("record 1 has v and vlo: one value is allowed");
  });

  test("a label is shown as far as it fits a line", () => {
    const [fits, longer] = ["x".repeat(24), "x".repeat(25)];
    const both = [fits, longer].map((label) => record([2, 1], [label, 1], [label, 1]));
    expect(both.map((pack) => explainSenml(pack, PLAIN))).toEqual([
      `record 1 has the label "${fits}" twice`,
      `record 1 has the label "${fits}..." twice`,
    ]);
  });

  test.each([
    ["81d90103a10201", "record 1 is tag 259, not a map"],
    ["d9d9f781a20061610201", "tag 55799 instead of an array of records"],
    ["82a20061610201a200616202d84041ff", "record 2, v (2): tag 64 instead of an integer, a float or tag 4"],
    ["81a20061610282f5f4", "record 1, v (2): an array instead of an integer, a float or tag 4"],
    ["81a300616102016174186d", 'record 1: the label "t" has to be the integer 6'],
    ["81a362626e61640061610201", 'record 1: the label "bn" has to be the integer -2'],
    ["81a1410001", "record 1 has a byte string as a label; a label is an integer or a definite text"],
    ["81a30061610841610201", "record 1 has v and vd: one value is allowed"],
    ["81a2006161027f6131ff", "record 1, v (2): a text in chunks instead of an integer, a float or tag 4"],
    ["81a200616102f6", "record 1, v (2): null instead of an integer, a float or tag 4"],
    ["", "not well-formed CBOR"],
    ["82a20061610201a20061", "record 2 is cut short or not well-formed CBOR"],
    ["81a125f5", "record 1, bs (-6): true instead of an integer, a float or tag 4"],
    ["81a225012502", "record 1 has bs (-6) twice"],
    ["81a500616102016174016173016275740100", 'record 1: the label "t" has to be the integer 6'],
    ["81a40061610201617401626274010000", 'record 1: the label "bt" has to be the integer -3'],
    ["81a40061610201626274016174010000", 'record 1: the label "bt" has to be the integer -3'],
    ["81a20061610362c328", "record 1, vs (3): not UTF-8"],
    ["81a300616102010161ff", "record 1, u (1): not UTF-8"],
    ["81a3006161020161c000", "record 1 has a label that is not UTF-8"],
    ["81a3006161020107f97c00", "record 1, ut (7): not finite as a double, with its base if it has one"],
    ["81a200616101f4", "record 1, u (1): false instead of a definite text"],
    ["81a200616104f7", "record 1, vb (4): undefined instead of true or false"],
    ["81a200616104f90000", "record 1, vb (4): a float instead of true or false"],
    ["81a200616104fa00000000", "record 1, vb (4): a float instead of true or false"],
    ["81a2006161046161", "record 1, vb (4): a text instead of true or false"],
    ["81a200616104a0", "record 1, vb (4): a map instead of true or false"],
    ["81a200616104e0", "record 1, vb (4): a simple value instead of true or false"],
    ["81a20061610820", "record 1, vd (8): an integer instead of a definite byte string"],
    ["81a200616103f5", "record 1, vs (3): true instead of a definite text"],
    ["81a200616102c48101", "record 1, v (2): tag 4 without [integer exponent, integer or bignum mantissa]"],
    ["81a200616104c40a", "record 1, vb (4): tag 4 instead of true or false"],
    ["81a200616103c40a", "record 1, vs (3): tag 4 instead of a definite text"],
    ["81a200616102d8204161", "record 1, v (2): tag 32 instead of an integer, a float or tag 4"],
    ["81a200616102da0001000001", "record 1, v (2): tag 65536 instead of an integer, a float or tag 4"],
    ["81a200616102db000000010000000001", "record 1, v (2): tag 4294967296 instead of an integer, a float or tag 4"],
    ["81a2006161025f4161ff", "record 1, v (2): a byte string in chunks instead of an integer, a float or tag 4"],
    ["81a2006161029f01ff", "record 1, v (2): an array instead of an integer, a float or tag 4"],
    ["81a30061610201641b5b6d5f00", 'record 1 has the label "?[m_", which ends in _ and is not understood'],
  ])("%s: %s", (hex, words) => {
    expect(explainSenml(Buffer.from(hex, "hex"), PLAIN)).toBe(words);
  });
});

test("a value that ends behind the pack is told as cut short, not as something that follows", () => {
  for (const hex of ["81a200616108450102", "81a200616103656162", "81a2006265", "81a20061610858ff01"]) {
    expect(checkSenml(Buffer.from(hex, "hex"), PLAIN)).toBe("malformed");
  }
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

const readHex = (hex: string) => readSenml(Buffer.from(hex, "hex"), { now: NOW });

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

  test.each([0, 1, 23, 24, 255, 256, 700, 1023])("a text and data of %i bytes come whole", (length) => {
    const text = "x".repeat(length);
    const pack = encodePack([
      [
        [0, "a"],
        [3, text],
      ],
      [
        [0, "b"],
        [8, Buffer.alloc(length, 7)],
      ],
    ]);
    const [first, second] = expectAccepted(resolveSenml(pack, { now: NOW }));
    expect(first!.value).toBe(text);
    expect(Buffer.from(second!.value as Uint8Array)).toEqual(Buffer.alloc(length, 7));
  });

  test("an overflow names the field that is beyond the doubles", () => {
    const own = encodePack([
      [
        [0, "a"],
        [2, 1.7e308],
        [-5, 1.7e308],
      ],
    ]);
    const base = Buffer.from("81a200616124c48219270f01", "hex");
    expect(explainSenml(own, PLAIN)).toContain(", v (2): not finite");
    expect(explainSenml(base, PLAIN)).toContain(", bv (-5): not finite");
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

  test("a record with a problem costs only itself", () => {
    const pack = Buffer.from("83a2006474776f310205a2006474776f3202c48219019001a2006474776f330206", "hex");
    const { readings, faults } = readSenml(pack, { now: NOW });
    expect(readings.map(({ name, value }) => [name, value])).toEqual([
      ["two1", 5],
      ["two3", 6],
    ]);
    expect(faults).toEqual([
      { problem: "number", detail: "record 2, v (2): not finite as a double, with its base if it has one" },
    ]);
  });

  test("a base field that stands as text costs the records behind it, one that is none only its own", () => {
    const base = readHex("82a362626e61640061610201a20061620202");
    expect(base).toMatchObject({ readings: [], faults: [{ problem: "text-label" }] });
    const time = readHex("82a361740a0061610201a20061620202");
    expect(time).toMatchObject({ readings: [{ name: "b" }], faults: [{ problem: "text-label" }] });
  });

  test("what is cut keeps the records before", () => {
    const pack = Buffer.from("82a20061610201a2006162", "hex");
    expect(readSenml(pack, { now: NOW })).toMatchObject({
      readings: [{ name: "a" }],
      faults: [{ problem: "malformed", detail: "record 2 is cut short or not well-formed CBOR" }],
    });
  });

  test.each([
    ["c482381bc24c0ac544ca14b700cb05555555", 1 / 3],
    ["1b0020000000000001", 9_007_199_254_740_992],
    ["1bfffffffffffffbff", 18_446_744_073_709_549_568],
    ["c482321bab54a98ceb1f0ad2", 1.2345678901234567],
    ["c48201c34101", -20],
    ["c48201c240", 0],
    ["c49f21190866ff", 21.5],
  ])("%s is %d", (hex, value) => {
    const pack = encodePack([
      [
        [0, "a"],
        [2, RAW(hex)],
      ],
    ]);
    expect(expectAccepted(resolveSenml(pack, { now: NOW }))[0]!.value).toBe(value);
  });

  test("the content format of data is its own, else the base's, and of data alone (RFC 9193)", () => {
    const pack = encodePack([
      [
        [-2, "a"],
        ["bct", "text/csv"],
        [8, Buffer.from("x")],
      ],
      [
        [0, "b"],
        [8, Buffer.from("y")],
        ["ct", "60"],
      ],
      [
        [0, "c"],
        [2, 1],
      ],
    ]);
    const readings = expectAccepted(resolveSenml(pack, { now: NOW }));
    expect(readings.map(({ contentFormat }) => contentFormat)).toEqual(["text/csv", "60", undefined]);
  });

  test("an empty unit is none, also over a base unit", () => {
    const pack = encodePack([
      [
        [-4, "Cel"],
        [0, "a"],
        [1, ""],
        [2, 1],
      ],
    ]);
    expect(expectAccepted(resolveSenml(pack, { now: NOW }))[0]!.unit).toBeUndefined();
  });

  test("many records behind a base value of many digits are cheap", () => {
    const base = Buffer.from(`a122c48219012cc25880${"01".repeat(128)}`, "hex");
    const records = Array.from({ length: 12_000 }, () => Buffer.from("a20061610201", "hex"));
    const pack = Buffer.concat([Buffer.from([0x9f]), base, ...records, Buffer.from([0xff])]);
    expect(checkSenml(pack, PLAIN)).toBe("number");
  });

  test("whatever the check takes resolves, whatever it refuses does not, on any bytes", () => {
    const digits = fc.tuple(fc.integer({ min: -400, max: 400 }), fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }));
    const wide = fc.oneof(
      numbers,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      digits.map(([exponent, mantissa]) => new Tag([exponent, mantissa], 4)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(wide, wide, wide, wide), { minLength: 1, maxLength: 4 }), (rows) => {
        const pack = encodePack(
          rows.map(([bv, v, bt, t]) => [
            [-5, bv],
            [-3, bt],
            [0, "a"],
            [2, v],
            [6, t],
          ]),
        );
        const read = readSenml(pack, { now: NOW });
        expect(checkSenml(pack, PLAIN)).toBe(read.faults[0]?.problem);
        expect(read.readings.length + read.faults.length).toBe(rows.length);
        for (const { value, time } of read.readings) expect([value, time].every(Number.isFinite)).toBe(true);
      }),
    );
  });

  test("refuses what the check refuses", () => {
    expect(resolveSenml(new Uint8Array(0), { now: NOW })).toMatchObject({ ok: false, reason: "malformed" });
  });
});
