import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { run } from "./run.ts";
import { ROOT_PATH, unitsFromSources } from "./units.ts";

/** What systemd itself says of them is asked in hil-tests/interop, where it is installed. */

const units = new Map<string, string>();

beforeAll(async () => {
  for (const [name, unit] of await unitsFromSources()) units.set(name, unit);
});

const valuesOf = (unit: string, key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gmu"))].map(([, value]) => value!);

test("every program has one", () => {
  expect([...units.keys()].toSorted()).toEqual([
    "paddock-bfd.service",
    "paddock-collector.service",
    "paddock-gateway.service",
  ]);
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
  const users = await readFile(join(ROOT_PATH, "nix/units/paddock.sysusers"), "utf8");
  for (const [name, unit] of units) {
    expect(users, name).toMatch(new RegExp(`^u ${valuesOf(unit, "User")[0]} `, "mu"));
    expect(valuesOf(unit, "RestartPreventExitStatus"), name).toEqual(["2"]);
    expect(valuesOf(unit, "Environment"), name).toContain("MALLOC_ARENA_MAX=1");
    expect([...valuesOf(unit, "StateDirectoryMode"), ...valuesOf(unit, "RuntimeDirectoryMode")], name).toEqual([
      "0700",
    ]);
  }
});
