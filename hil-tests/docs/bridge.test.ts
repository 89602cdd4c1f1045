import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { BridgeConfigSchema } from "@paddock/gateway/bridge/config.ts";
import { packForm } from "@paddock/gateway/bridge/form-pack.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/sensors.md"), "utf8");

test("the configuration of the HTTP bridge in docs/sensors.md takes the request beside it", () => {
  const section = PAGE.slice(PAGE.indexOf("## From an old script"));
  const example = /```json\n(.*?)```/su.exec(section)![1]!;
  const config = parseConfig(BridgeConfigSchema, JSON.parse(example), "docs/sensors.md");
  const [, body, path] = /curl -d "([^"]+)" "http:\/\/\[::1\]:8080([^"]+)"/u.exec(section)!;
  const form = config.forms.find((one) => one.path === path)!;
  expect(packForm(form, new URLSearchParams(body))).toMatchObject({ ok: true });
});
