import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-main-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function paddock(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const done = await promisify(execFile)(process.execPath, [MAIN, ...args]);
    return { code: 0, ...done };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

async function configured(document: unknown): Promise<string> {
  const file = join(directory, "gateway.json");
  await writeFile(file, JSON.stringify(document));
  return file;
}

test("help names every command; an unknown one gets the nearest name", async () => {
  const help = await paddock("--help");
  expect(help.code).toBe(0);
  for (const name of ["run", "status", "buffer", "chain", "sensors", "uplinks", "metrics", "identity"]) {
    expect(help.stdout).toMatch(new RegExp(`^  ${name} `, "m"));
  }
  const slip = await paddock("statsu");
  expect(slip.code).toBe(2);
  expect(slip.stderr).toContain('did you mean "status"?');
});

test("--check-config and --print-config need no gateway; a fault ends with 2 and names the field", async () => {
  const good = await configured({ dataDir: directory });
  expect(await paddock("run", "--check-config", "--config", good)).toMatchObject({ code: 0 });
  const printed = await paddock("run", "--print-config", "--config", good);
  expect(JSON.parse(printed.stdout)).toMatchObject({ dataDir: directory, lanes: { alarm: { lingerMs: 0 } } });
  const bad = await paddock("run", "--check-config", "--config", await configured({ dataDir: directory, stroe: {} }));
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(/^CONFIG_INVALID: .*stroe: unknown key, did you mean "store"\?/);
});

test("without a running gateway: status says so, chain verify reads the data directory itself", async () => {
  const config = await configured({ dataDir: directory, store: { minFreeBytes: 0, ballastBytes: 0 } });
  const status = await paddock("status", "--config", config);
  expect(status.code).toBe(2);
  expect(status.stderr).toMatch(/^STATUS_UNREACHABLE: /);
  const identity = await paddock("identity", "--config", config);
  expect(identity.stderr).toContain("does not exist");
  expect((await paddock("chain", "verify", "--config", config)).stderr).toMatch(/^IDENTITY_UNREADABLE: /);
});
