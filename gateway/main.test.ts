import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ended, runInProcess } from "@paddock/base/testing/in-process.ts";
import { loadOrCreateIdentity } from "@paddock/wire/identity-file.ts";
import { gatewayCommand } from "./cli/gateway-command.ts";

const MAIN = join(import.meta.dirname, "main.ts");

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-main-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const paddock = (...args: string[]): Promise<Ended> => runInProcess(gatewayCommand, args);

/** The program, in a process of its own. */
async function started(...args: string[]): Promise<Ended> {
  return { code: 0, ...(await promisify(execFile)(process.execPath, [MAIN, ...args])) };
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

test("--check-config looks at the files that are named, and says what a start would", async () => {
  const missing = (name: string): string => join(directory, name);
  const good = { publicKey: "00".repeat(32), ca: missing("ca.pem") };
  const config = await configured({
    dataDir: directory,
    sensors: { file: missing("sensors.json") },
    identity: { keyFile: missing("key.pem") },
    collector: good,
    paths: [{ name: "a", endpoint: "https://[::1]:8443" }],
  });
  const checked = await paddock("run", "--check-config", "--config", config);
  expect(checked.code).toBe(2);
  for (const [name, key] of [
    ["sensors.json", "sensors.file"],
    ["key.pem", "identity.keyFile"],
    ["ca.pem", "collector.ca"],
  ] as const) {
    expect(checked.stdout).toContain(missing(name));
    expect(checked.stdout).toContain(key);
  }
  await writeFile(missing("ca.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await writeFile(missing("sensors.json"), '{"sensors": {}}', { mode: 0o600 });
  const again = await paddock("run", "--check-config", "--config", config);
  expect(again.stdout).not.toContain("sensors.json");
  expect(again.stdout).toMatch(/^CONFIG_INVALID: collector\.ca: .*cannot be used/m);
});

test("identity makes the key before the first start, and never one beside a store that has lost its own", async () => {
  const config = await configured({ dataDir: join(directory, "data") });
  const made = await paddock("identity", "--config", config, "--json");
  expect(made.code).toBe(0);
  expect(await paddock("identity", "--config", config, "--json")).toMatchObject({ stdout: made.stdout });
  await rm(join(directory, "data", "identity.pem"));
  await mkdir(join(directory, "data", "store"));
  const lost = await paddock("identity", "--config", config);
  expect(lost).toMatchObject({ code: 2 });
  expect(lost.stderr).toMatch(/^IDENTITY_MISMATCH: /);
});

test("identity waits for a gateway that makes its store and its key at this moment", async () => {
  const dataDir = join(directory, "starting");
  const config = await configured({ dataDir });
  await mkdir(join(dataDir, "store"), { recursive: true });
  const asked = started("identity", "--config", config, "--json");
  const { identity } = await loadOrCreateIdentity({ dataDir });
  const { stdout, code } = await asked;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ id: Buffer.from(identity.id).toString("hex") });
});

test("every way to ask for the version is answered", async () => {
  expect((await started("--version")).stdout).toMatch(/^paddock \d+\.\d+\.\d+, Node v\d/);
});

test("without a running gateway: status says so, chain verify reads the data directory itself", async () => {
  const config = await configured({ dataDir: directory, store: { minFreeBytes: 0, ballastBytes: 0 } });
  const status = await paddock("status", "--config", config);
  expect(status.code).toBe(2);
  expect(status.stderr).toMatch(/^STATUS_UNREACHABLE: /);
  expect((await paddock("chain", "verify", "--config", config)).stderr).toMatch(/^IDENTITY_UNREADABLE: /);
});
