import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemText } from "./system-text.ts";

test("the first program and systemd take the same machines for ones with little memory", () => {
  const init = readFileSync(join(import.meta.dirname, "init.sh"), "utf8");
  const kib = Number(/"\$total" -lt (\d+)/u.exec(init)?.[1]);
  const unit = systemText()["etc/systemd/system/paddock-little-memory.service"];
  expect(unit).toContain(`ConditionMemory=<${kib / 1024}M\n`);
});
