import * as fc from "fast-check";
import { expect, test } from "vitest";
import { faultyKey, formatField } from "./json-keys.ts";

test.each([
  ['{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 2}]}', undefined],
  ['{"a": 1, "a": 2}', "a"],
  ['{"x": {"a": ":", "b": "\\"a\\": 1"}}', undefined],
  ['{"paths": [{"name": "a"}, {"name": "b", "cost": 1, "name": "c"}]}', "paths[1].name"],
  ['{"a": {"\\u0061": 1, "a": 2}}', "a.a"],
  ['{"sensors": {"constructor": {}}}', "sensors.constructor"],
  ['{"sensors": {"__proto__": {}}}', "sensors.__proto__"],
  ["[[1, 2], [{}, {}]]", undefined],
  ["1", undefined],
  ['"a"', undefined],
])("%s", (text, field) => {
  expect(faultyKey(text)?.field).toBe(field);
});

test("finds nothing in what JSON.stringify writes, and the key that is put in twice", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (object, at) => {
      const text = JSON.stringify(object);
      if (/__proto__|prototype|constructor/.test(text)) return;
      expect(faultyKey(text)).toBeUndefined();
      const key = Object.keys(object)[at % Object.keys(object).length]!;
      const twice = `${text.slice(0, -1)},${JSON.stringify(key)}:null}`;
      expect(faultyKey(twice)?.field).toBe(key);
    }),
  );
});

test("fields are written as people write them", () => {
  expect(formatField(["paths", 1, "bfd", "keys", 0])).toBe("paths[1].bfd.keys[0]");
  expect(formatField([0, "a"])).toBe("[0].a");
});
