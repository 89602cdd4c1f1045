import { execFile } from "node:child_process";
import { glob, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "./generated-tables.ts";

/** The units of nix/units, with the sources in place of /opt/paddock. */

const root = fileURLToPath(ROOT);
const units = new Map<string, string>();
let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-units-"));
  for await (const path of glob("nix/units/*.service", { cwd: root })) {
    const unit = (await readFile(join(root, path), "utf8")).replaceAll("/opt/paddock/", root);
    units.set(basename(path), unit);
    await writeFile(join(directory, basename(path)), unit);
  }
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

interface Ran {
  readonly status: number | string;
  readonly output: string;
}

async function run(command: string, ...args: string[]): Promise<Ran> {
  return await new Promise((resolve) => {
    execFile(command, args, { timeout: 25_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? "killed"), output: stdout + stderr });
    });
  });
}

const valuesOf = (unit: string, key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gmu"))].map(([, value]) => value!);

test("systemd understands every line of each unit", async (context) => {
  expect([...units.keys()].toSorted()).toEqual([
    "paddock-bfd.service",
    "paddock-collector.service",
    "paddock-gateway.service",
  ]);
  const files = [...units.keys()].map((name) => join(directory, name));
  const ran = await run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", ...files);
  if (ran.status === "ENOENT") context.skip("systemd-analyze is missing: apt-get install systemd");
  // It ignores what it does not know and says so, with exit code 0.
  const told = ran.output.split("\n").filter((line) => line.includes("paddock"));
  expect({ status: ran.status, told }).toEqual({ status: 0, told: [] });
});

test("each starts a command that there is", async () => {
  const started = [...units.values()].map(async (unit) => {
    const [program, room, ...rest] = valuesOf(unit, "ExecStart")[0]!.split(" ");
    const command = rest[0]?.startsWith("-") === true ? [] : rest.slice(0, 1);
    return (await run(program!, room!, ...command, "--help")).status;
  });
  expect(await Promise.all(started)).toEqual([0, 0, 0]);
});

test("each runs as a user that is made, and is started again unless starting again is in vain", async () => {
  const users = await readFile(join(root, "nix/units/paddock.sysusers"), "utf8");
  for (const [name, unit] of units) {
    expect(users, name).toMatch(new RegExp(`^u ${valuesOf(unit, "User")[0]} `, "mu"));
    expect(valuesOf(unit, "RestartPreventExitStatus"), name).toEqual(["2"]);
    expect(valuesOf(unit, "Environment"), name).toContain("MALLOC_ARENA_MAX=1");
    expect([...valuesOf(unit, "StateDirectoryMode"), ...valuesOf(unit, "RuntimeDirectoryMode")], name).toEqual([
      "0700",
    ]);
  }
});
