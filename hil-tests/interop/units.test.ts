import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../docs/run.ts";
import { imageText } from "@paddock/nix/image/image-text.ts";
import { unitsFromSources } from "../docs/units.ts";

/** Where an image has its units. */
const SYSTEM = "etc/systemd/system/";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-units-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** What systemd says of units, as far as it is about them. It ignores what it does not know, says so, and ends with 0. */
async function told(units: ReadonlyMap<string, string>) {
  const files = [...units.keys()].map((name) => join(directory, name));
  for (const [name, unit] of units) await writeFile(join(directory, name), unit);
  const { status, output } = await run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", ...files);
  return { status, lines: output.split("\n").filter((line) => line.includes("paddock")) };
}

test("systemd understands every line of each unit", async () => {
  const units = await unitsFromSources();
  expect(units.size).toBe(3);
  expect(await told(units)).toEqual({ status: 0, lines: [] });
});

test("a key with a slip would be seen", async () => {
  const slip = new Map([...(await unitsFromSources())].map(([name, unit]) => [name, unit.replace("User=", "Usr=")]));
  expect((await told(slip)).lines).toHaveLength(3);
});

/** Exposure as systemd sees it, 0 to 10: what a service could still do to the machine once it is another's. */
async function exposureOf(path: string): Promise<number> {
  const { output } = await run("systemd-analyze", "security", "--offline=true", "--no-pager", path);
  return Number(/Overall exposure level for \S+: (?<level>[\d.]+)/u.exec(output)?.groups?.["level"]);
}

/** Fails where a unit is exposed, and where taking some of its lines away does not show. */
async function expectConfined(name: string, unit: string): Promise<void> {
  const path = join(directory, name);
  await writeFile(path, unit);
  expect(await exposureOf(path), name).toBeLessThan(2);
  await writeFile(path, unit.replaceAll(/^(?:SystemCallFilter|Protect[A-Za-z]+)=.*\n/gmu, ""));
  expect(await exposureOf(path), name).toBeGreaterThanOrEqual(2);
}

test("no unit is exposed by 2.0 or more", async () => {
  for (const [name, unit] of await unitsFromSources()) await expectConfined(name, unit);
});

/** A shell for who owns the firmware of the machine: nothing would be left of it. */
const UNCONFINED = new Set(["paddock-console.service", "paddock-data.service"]);

test("no unit of an image that runs our code is exposed by 2.0 or more", async () => {
  const text = await imageText(undefined);
  const units = Object.keys(text).flatMap(
    (path) => /^etc\/systemd\/system\/(?<name>paddock-[^/]+\.service)$/u.exec(path)?.groups?.["name"] ?? [],
  );
  expect(units.length).toBeGreaterThan(9);
  for (const name of units.filter((one) => !UNCONFINED.has(one))) {
    // systemd reads drop-ins behind the unit.
    const parts = Object.keys(text)
      .filter((path) => path.includes(`/${name}`))
      .toSorted();
    await expectConfined(name, parts.map((path) => text[path]).join("\n"));
  }
});

test("no unit of an image waits for itself, not by way of others either", async () => {
  const text = Object.entries(await imageText(undefined)).filter(([path]) => path.startsWith(SYSTEM));
  for (const [path, unit] of text) {
    const to = join(directory, "image", path.slice(SYSTEM.length));
    await mkdir(dirname(to), { recursive: true });
    // Programs of the image are not here.
    await writeFile(to, unit.replaceAll(/^(?<key>Exec\w+)=.*$/gmu, "$<key>=/bin/true"));
  }
  const paths = [join(directory, "image"), "/usr/lib/systemd/system", "/lib/systemd/system"].join(":");
  for (const name of text
    .map(([path]) => path.slice(SYSTEM.length))
    .filter((one) => one.endsWith(".service") && !one.includes("/"))) {
    const { output } = await run(
      "env",
      `SYSTEMD_UNIT_PATH=${paths}`,
      "systemd-analyze",
      "verify",
      "--man=no",
      join(directory, "image", name),
    );
    expect(output, name).not.toMatch(/cycl/u);
  }
});
