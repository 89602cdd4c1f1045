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
    [{ dataDir: "/d", paths: [{ name: "a" }, { name: "b", nmae: 1 }] }, "paths.1.nmae", '"name"'],
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

describe("readConfigFile", () => {
  const directory = mkdtempSync(join(tmpdir(), "paddock-config-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  test("reads a good file", async () => {
    const path = join(directory, "good.json");
    writeFileSync(path, '{"dataDir": "/d"}');
    expect((await readConfigFile(schema, path)).dataDir).toBe("/d");
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
