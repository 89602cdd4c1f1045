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

test("the gateway is started with what the first program finds right for the machine, and as ever where it says nothing", () => {
  const init = readFileSync(join(import.meta.dirname, "init.sh"), "utf8");
  const text = systemText();
  const started = /^ExecStart=\/usr\/bin\/node (.+)$/mu.exec(text["etc/systemd/system/paddock-gateway.service"]!)![1];
  const flags = text["etc/systemd/system/paddock-gateway.service.d/node-flags.conf"];
  expect(init).toMatch(/^ *echo 'NODE_FLAGS=--.+' >\/run\/paddock-boot\/node-flags$/mu);
  expect(flags).toContain(`\nExecStart=/usr/bin/node $NODE_FLAGS ${started}\n`);
  expect(flags).toContain("\nEnvironment=NODE_FLAGS=\nEnvironmentFile=-/run/paddock-boot/node-flags\n");
});
