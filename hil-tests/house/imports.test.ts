import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

/**
 * The house has one direction: a room may import from the rooms listed for it, and from nothing else of ours. The linked
 * workspaces make an undeclared import fail at run time; this test holds the declarations themselves to the plan.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ["base"],
  store: ["base", "wire"],
  uplink: ["base", "wire"],
  "sensor-sim": ["base", "wire"],
  nix: ["base", "wire"],
  gateway: ["base", "wire", "store", "uplink"],
  collector: ["base", "wire", "store", "uplink"],
  "hil-tests": ["base", "wire", "store", "uplink", "gateway", "collector", "sensor-sim", "nix"],
  bench: ["base", "wire", "store", "uplink", "gateway", "collector", "sensor-sim", "hil-tests"],
};

/** Of uplink, the collector may see BFD alone: it answers sessions, it never forwards. */
const COLLECTOR_SEES_OF_UPLINK = "@paddock/uplink/bfd/";

/** What an image of the gateway may contain besides our own code. */
const GATEWAY_RUNTIME = new Set(["level", "bonjour-service", "valibot"]);

const HOUSE = join(import.meta.dirname, "../..");

interface Import {
  readonly file: string;
  readonly target: string;
}

function importsOf(room: string): Import[] {
  const files = globSync("**/*.ts", { cwd: join(HOUSE, room), exclude: (name) => name === "node_modules" });
  return files.flatMap((file) =>
    [...readFileSync(join(HOUSE, room, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => ({
      file,
      target: match[1]!,
    })),
  );
}

function dependenciesOf(room: string): string[] {
  const text = readFileSync(join(HOUSE, room, "package.json"), "utf8");
  return Object.keys((JSON.parse(text) as { dependencies?: Record<string, string> }).dependencies ?? {});
}

describe.each(Object.entries(MAY_IMPORT))("%s", (room, allowed) => {
  const imports = importsOf(room);

  test("has files to look at", () => {
    expect(imports.length).toBeGreaterThan(3);
  });

  test("imports only from the rooms below it", () => {
    const wrong = imports.filter(({ target }) => {
      const other = /^@paddock\/([^/]+)\//.exec(target)?.[1];
      return other !== undefined && !allowed.includes(other);
    });
    expect(wrong).toEqual([]);
  });

  test("declares only rooms below it", () => {
    const declared = dependenciesOf(room).flatMap((name) => /^@paddock\/(.+)$/.exec(name)?.[1] ?? []);
    expect(declared.filter((name) => !allowed.includes(name))).toEqual([]);
  });

  test("never reaches into another room by a relative path", () => {
    const wrong = imports.filter(({ file, target }) => {
      const ups = target.split("/").filter((part) => part === "..").length;
      return target.startsWith("..") && ups > file.split("/").length - 1;
    });
    expect(wrong).toEqual([]);
  });
});

test("the collector sees of uplink nothing but BFD", () => {
  const wrong = importsOf("collector").filter(
    ({ target }) => target.startsWith("@paddock/uplink/") && !target.startsWith(COLLECTOR_SEES_OF_UPLINK),
  );
  expect(wrong).toEqual([]);
});

test("store and forwarding meet in one room only: the gateway's", () => {
  const both = ["store", "uplink"].flatMap((room) =>
    importsOf(room).filter(({ target }) => /^@paddock\/(store|uplink)\//.test(target)),
  );
  expect(both).toEqual([]);
});

test("the gateway's runtime closure stays tiny", () => {
  const packages = ["base", "wire", "store", "uplink", "gateway"]
    .flatMap((room) => dependenciesOf(room))
    .filter((name) => !name.startsWith("@paddock/"));
  expect(packages.filter((name) => !GATEWAY_RUNTIME.has(name))).toEqual([]);
});
