import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, describe, expect, test } from "vitest";
import { parseConfig, readConfigFile } from "./config.ts";
import { PaddockError } from "./errors.ts";

const schema = v.strictObject({
  dataDir: v.string(),
  store: v.optional(v.strictObject({ maxBytes: v.optional(v.pipe(v.number(), v.minValue(1)), 10) }), {}),
  paths: v.optional(v.array(v.strictObject({ name: v.string() })), []),
});

function refusal(document: unknown): PaddockError {
  try {
    parseConfig(schema, document, "gateway.json");
  } catch (error) {
    if (error instanceof PaddockError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("parseConfig", () => {
  test("fills in defaults", () => {
    expect(parseConfig(schema, { dataDir: "/d" }, "x")).toEqual({ dataDir: "/d", store: { maxBytes: 10 }, paths: [] });
  });

  test.each([
    [{ dataDir: "/d", stroe: {} }, "stroe", '"store"'],
    [{ dataDir: "/d", store: { maxByte: 1 } }, "store.maxByte", '"maxBytes"'],
    [{ dataDir: "/d", paths: [{ name: "a" }, { name: "b", nmae: 1 }] }, "paths[1].nmae", '"name"'],
  ])("names the unknown key of %j and the nearest known one", (document, field, nearest) => {
    const error = refusal(document);
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain(field);
    expect(error.message).toContain(nearest);
  });

  test("names the field, the value and what is expected", () => {
    const { message } = refusal({ dataDir: "/d", store: { maxBytes: -5 } });
    expect(message).toContain("gateway.json");
    expect(message).toContain("store.maxBytes");
    expect(message).toContain("-5");
  });

  test("names a missing field", () => {
    expect(refusal({}).message).toContain("dataDir");
  });

  test("lists every fault, not just the first", () => {
    const { message } = refusal({ dataDir: 1, store: { maxBytes: "x" } });
    expect(message).toContain("dataDir");
    expect(message).toContain("store.maxBytes");
  });
});

describe("what is refused is said in our words", () => {
  const worded = v.strictObject({
    dataDir: v.pipe(v.string(), v.description("Directory of the store.")),
    size: v.optional(v.number()),
    on: v.optional(v.boolean()),
    list: v.optional(v.array(v.number())),
    inner: v.optional(v.strictObject({})),
    mode: v.optional(v.picklist(["a", "b"])),
    url: v.optional(v.pipe(v.string(), v.url("expected a URL"), v.startsWith("https://", "expected https"))),
  });
  test.each([
    [{}, "g is not valid: dataDir: missing; it is: Directory of the store."],
    [{ dataDir: 1 }, "g is not valid: dataDir: 1 is refused; expected a text."],
    [{ dataDir: "/", size: "x" }, 'g is not valid: size: "x" is refused; expected a number.'],
    [{ dataDir: "/", on: 1 }, "g is not valid: on: 1 is refused; expected true or false."],
    [{ dataDir: "/", list: 1 }, "g is not valid: list: a number is refused; expected a list, [ … ]."],
    [{ dataDir: "/", list: [1, "x"] }, 'g is not valid: list[1]: "x" is refused; expected a number.'],
    [{ dataDir: "/", inner: null }, "g is not valid: inner: null is refused; expected an object, { … }."],
    [{ dataDir: "/", mode: "c" }, 'g is not valid: mode: "c" is refused; expected "a" or "b".'],
    [{ dataDir: "/", url: "x" }, 'g is not valid: url: "x" is refused; expected a URL.'],
    [{ dataDir: "/", moed: "a" }, 'g is not valid: moed: unknown key, did you mean "mode"?'],
    [
      { dataDir: "/", xyzzyx: 1 },
      "g is not valid: xyzzyx: unknown key; known are dataDir, size, on, list, inner, mode, url.",
    ],
  ])("%j", (document, message) => {
    expect(() => parseConfig(worded, document, "g")).toThrow(new PaddockError("CONFIG_INVALID", message));
  });
});

describe("secrets", () => {
  const SECRET = "s3cr3t-of-the-site";
  const locked = v.strictObject({
    auth: v.optional(v.strictObject({ keys: v.array(v.strictObject({ id: v.number(), secret: v.string() })) })),
    sensors: v.optional(v.record(v.string(), v.strictObject({ key: v.pipe(v.string(), v.maxLength(4)) }))),
    claim: v.optional(v.pipe(v.string(), v.regex(/^[0-9]+$/, "expected digits"))),
    code: v.optional(v.number()),
    name: v.optional(v.number()),
  });

  test.each([
    [{ auth: SECRET }, "auth", "a text of 18 characters"],
    [{ auth: { keys: { id: 7, secret: SECRET } } }, "auth.keys", "an object"],
    [{ auth: { keys: [SECRET] } }, "auth.keys[0]", "a text"],
    [{ auth: { keys: [{ id: SECRET, secret: "x" }] } }, "auth.keys[0].id", "a text"],
    [{ auth: { keys: [{ id: 7, secret: [SECRET] }] } }, "auth.keys[0].secret", "a list"],
    [{ sensors: { a: { key: SECRET } } }, "sensors.a.key", "a text"],
    [{ sensors: { a: SECRET } }, "sensors.a", "a text"],
    [{ claim: SECRET }, "claim", "expected digits"],
    [{ code: SECRET }, "code", "a text"],
    [{ name: { inner: { secret: SECRET, ids: [1] } } }, "name", '"ids":[1]'],
    [[{ secret: SECRET }], "0", "unknown key"],
    [SECRET, "the document", "a text of 18 characters"],
  ])("%j: the fault is named, the secret is not", (document, field, kind) => {
    const fault = (() => {
      try {
        parseConfig(locked, document, "gateway.json");
      } catch (error) {
        return (error as Error).message;
      }
      return "was accepted";
    })();
    expect(fault).toContain(`${field}: `);
    expect(fault).toContain(kind);
    expect(fault).not.toContain(SECRET.slice(0, 4));
  });
});

describe("readConfigFile", () => {
  const directory = mkdtempSync(join(tmpdir(), "paddock-config-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  test.each([
    ['{"dataDir": "/a", "dataDir": "/b"}', "dataDir: stands twice, and only one of them can hold"],
    ['{"dataDir": "/a", "paths": [{"name": "x", "__proto__": {}}]}', "paths[0].__proto__: a name that is reserved"],
  ])("refuses %s, of which a parser would lose something", async (text, why) => {
    const path = join(directory, "lossy.json");
    writeFileSync(path, text);
    await expect(readConfigFile(schema, path)).rejects.toThrow(why);
  });

  test("says which key or option named a file that is not there", async () => {
    const missing = join(directory, "nowhere.json");
    const error = await readConfigFile(schema, missing, { namedBy: "sensors.file" }).catch((thrown: unknown) => thrown);
    expect((error as PaddockError).explain()).toMatch(
      /^CONFIG_UNREADABLE: sensors\.file: .*Check .* sensors\.file names/,
    );
    const plain = await readConfigFile(schema, missing).catch((thrown: unknown) => thrown);
    expect((plain as PaddockError).explain()).toContain("--config");
  });

  test("reads a good file", async () => {
    const path = join(directory, "good.json");
    writeFileSync(path, '{"dataDir": "/d"}');
    expect((await readConfigFile(schema, path)).dataDir).toBe("/d");
  });

  test("a file that is no JSON is not quoted, but the place is named", async () => {
    const path = join(directory, "open.json");
    const faults = [
      '{\n  "key": s3cr3t }',
      "s3cr3t",
      '{"key": "s3cr3t"',
      '{"key": "s3cr3t",\n "s3cr3t"x }',
      '["s3cr3t", ]',
    ];
    const said: string[] = [];
    for (const text of faults) {
      writeFileSync(path, text);
      const error = await readConfigFile(schema, path).catch((thrown: unknown) => thrown);
      said.push((error as Error).message.slice(path.length));
    }
    expect(said.join("\n")).not.toContain("s3cr");
    expect(said).toEqual([
      expect.stringContaining("line 2 column 10"),
      expect.stringContaining("line 1 column 1"),
      expect.stringContaining("line 1 column 17"),
      expect.stringContaining("line 2 column 10"),
      expect.stringContaining("line 1 column 12"),
    ]);
  });

  test.each([
    ["absent.json", undefined],
    ["broken.json", '{"dataDir": '],
  ])("says why %s cannot be used", async (name, text) => {
    const path = join(directory, name);
    if (text !== undefined) writeFileSync(path, text);
    await expect(readConfigFile(schema, path)).rejects.toMatchObject({ code: "CONFIG_UNREADABLE" });
    await expect(readConfigFile(schema, path)).rejects.toThrow(path);
  });
});
