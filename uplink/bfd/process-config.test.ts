import { expect, test } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { PROCESS_SCHEMA } from "./process-config.ts";

const reflect = { listen: [{ address: "::1" }], discriminators: [900] };

test.each([
  ["a pace beyond 32 bits of microseconds", { minIntervalMs: 5_000_000 }, /minIntervalMs/],
  ["no pace", { minIntervalMs: 0 }, /minIntervalMs/],
  ["every address at once", { listen: [{ address: "::" }] }, /not ::/],
  ["a name", { listen: [{ address: "localhost" }] }, /one address/],
])("a reflector with %s is refused", (_name, change, reason) => {
  const document = { reflect: { ...reflect, ...change } };
  expect(() => parseConfig(PROCESS_SCHEMA, document, "bfd.json")).toThrow(reason);
});

test("a reflector has its defaults", () => {
  expect(parseConfig(PROCESS_SCHEMA, { reflect }, "bfd.json").reflect).toEqual({
    listen: [{ address: "::1", port: 7784 }],
    discriminators: [900],
    minIntervalMs: 10,
  });
});
