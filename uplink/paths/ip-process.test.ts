import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { startIp } from "./ip-process.ts";

let directory: string;
const { PATH } = process.env;

/** In place of iproute2, which a machine that runs these tests need not have. */
const FAKE_IP = `#!/bin/sh
case "$1" in
  -V) echo "ip utility" ;;
  -6) exec sleep 600 ;;
  *) exit 255 ;;
esac
`;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "paddock-ip-"));
  writeFileSync(join(directory, "ip"), FAKE_IP, { mode: 0o755 });
  process.env["PATH"] = `${directory}:${PATH}`;
});
afterEach(() => {
  process.env["PATH"] = PATH;
  rmSync(directory, { recursive: true });
});

/** Command lines of the processes that inherited this test's mark. */
function marked(mark: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(`IP_MARK=${mark}`)) return [];
        return [readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ").trim()];
      } catch {
        // Gone meanwhile, or somebody else's.
        return [];
      }
    });
}

test("what it prints and how it ends is told", async () => {
  let output = "";
  const problem = await new Promise((resolve) => {
    const ip = startIp(["-V"]);
    ip.onOutput((text) => (output += text));
    ip.onExit(resolve);
  });
  expect(problem).toBeUndefined();
  expect(output).toMatch(/^ip utility/);
  expect(await new Promise((resolve) => startIp(["no-such-object"]).onExit(resolve))).toMatch(/^exit 255/);
});

test("a monitor that is killed is told, and nobody stays behind", async () => {
  const mark = `${process.pid}-killed`;
  process.env["IP_MARK"] = mark;
  const ip = startIp(["-6", "monitor", "address"]);
  delete process.env["IP_MARK"];
  await until(() => marked(mark).includes("sleep 600"));
  const ended = new Promise((resolve) => ip.onExit(resolve));
  ip.kill();
  expect(await ended).toBe("exit SIGKILL");
  await until(() => marked(mark).length === 0);
});

test("a monitor ends with the process that started it, however that ends", async () => {
  const program = join(directory, "starter.ts");
  const module = JSON.stringify(join(import.meta.dirname, "ip-process.ts"));
  writeFileSync(
    program,
    `import { startIp } from ${module};\nstartIp(["-6", "monitor", "address"]).onExit(() => {});\n`,
  );
  const mark = `${process.pid}-orphan`;
  const starter = spawn(process.execPath, [program], { env: { ...process.env, IP_MARK: mark }, stdio: "ignore" });
  await until(() => marked(mark).includes("sleep 600"));
  starter.kill("SIGKILL");
  await until(() => marked(mark).length === 0);
});
