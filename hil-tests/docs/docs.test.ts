import { access, glob, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { collectorCommand } from "@paddock/collector/commands/collector-command.ts";
import { gatewayCommand } from "@paddock/gateway/cli/gateway-command.ts";
import { main as sim } from "@paddock/sensor-sim/cli/commands.ts";
import { bfdCommand } from "@paddock/uplink/bfd/bfd-command.ts";
import { ALERTED } from "./metric-rows.ts";
import { generatedTables, ROOT, scenarioTable, tableIn, withTable, type GeneratedTable } from "./generated-tables.ts";

const root = fileURLToPath(ROOT);
const OPERATIONS = join(root, "docs/operations.md");
const SIMULATOR = join(root, "sensor-sim/README.md");
const PROGRAMS = { gateway: gatewayCommand, collector: collectorCommand, sim, bfd: bfdCommand } as const;

const documents = new Map<string, string>();
let tables: Readonly<Record<string, GeneratedTable>>;

beforeAll(async () => {
  tables = await generatedTables();
  if (process.env["WRITE_TABLES"] === "1") {
    let text = await readFile(OPERATIONS, "utf8");
    for (const [name, table] of Object.entries(tables)) text = withTable(text, name, table);
    await writeFile(OPERATIONS, text);
    const readme = await readFile(SIMULATOR, "utf8");
    await writeFile(SIMULATOR, withTable(readme, "scenario", await scenarioTable()));
  }
  const found = glob("**/*.md", { cwd: root, exclude: (path) => /node_modules|^dist$|^\.git$/u.test(path) });
  for await (const path of found) documents.set(path, await readFile(join(root, path), "utf8"));
});

describe("docs/operations.md has the tables that the code decides (WRITE_TABLES=1 vitest run hil-tests/docs writes them)", () => {
  test.each(["gateway-config", "collector-config", "errors", "gateway-metrics", "collector-metrics"])("%s", (name) => {
    const { head, rows } = tables[name]!;
    expect(rows.length).toBeGreaterThan(10);
    expect(tableIn(documents.get("docs/operations.md")!, name)).toEqual([head, ...rows]);
  });

  test("so has sensor-sim/README.md the keys of a scenario, each with its meaning", async () => {
    const { head, rows } = await scenarioTable();
    expect(rows.length).toBeGreaterThan(60);
    expect(rows.filter((row) => row.includes(""))).toEqual([]);
    expect(tableIn(documents.get("sensor-sim/README.md")!, "scenario")).toEqual([head, ...rows]);
  });

  test("each row says something, and each alert has its metric", () => {
    const rows = Object.values(tables).flatMap((table) => table.rows);
    expect(rows.filter((row) => row.slice(0, 2).includes("") || (row[2] === "" && row[3] === ""))).toEqual([]);
    const unsaid = ["gateway-config", "collector-config"].flatMap((name) => tables[name]!.rows);
    expect(unsaid.filter((row) => row[3] === "" && !/\.(address|port|lanes)`$/u.test(row[0]!))).toEqual([]);
    const names = new Set(rows.map((row) => row[0]!.replaceAll("`", "").replace(/_total$/u, "")));
    expect(ALERTED.filter((name) => !names.has(name))).toEqual([]);
  });

  test("no document names a metric that there is not", () => {
    const known = new Set(Object.values(tables).flatMap(({ rows }) => rows.map((row) => row[0]!.replaceAll("`", ""))));
    const named = [...documents].flatMap(([path, text]) =>
      [...text.matchAll(/\bpaddock_(?:gateway|collector)_[a-z0-9_]+/gu)].map(([name]) => [path, name] as const),
    );
    expect(named.filter(([, name]) => !known.has(name) && !known.has(familyOf(name)))).toEqual([]);
  });
});

test("docs/operations.md has every event that warns, and no event that there is not", async () => {
  const sources: string[] = [];
  const found = glob(["base/**/*.ts", "gateway/**/*.ts", "collector/**/*.ts", "uplink/**/*.ts"], {
    cwd: root,
    exclude: (path) => /node_modules|\.test\.ts$|\/testing\//u.test(path),
  });
  for await (const path of found) sources.push(await readFile(join(root, path), "utf8"));
  const code = sources.join("\n");
  const section = documents.get("docs/operations.md")!.split("## Log events of note")[1]!.split("\n## ")[0]!;
  const cells = section.split("\n").map((line) => line.split("|")[2] ?? "");
  const named = [...cells.join("\n").matchAll(/`([a-z-]+)`/gu)].map(([, event]) => event!);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((event) => !code.includes(`"${event}"`))).toEqual([]);
  const warned = [...code.matchAll(/\blog\.(?:warn|error)\(\s*"([a-z-]+)"/giu)].map(([, event]) => event!);
  expect(warned.length).toBeGreaterThan(15);
  expect([...new Set(warned)].filter((event) => !named.includes(event))).toEqual([]);
});

test("the decision on dependencies names each of them", async () => {
  const decision = documents.get("docs/decisions/0015-dependencies.md")!;
  const named = decision.split(/[\s,|`()]+/u);
  const declared = new Set<string>();
  for await (const path of glob(["package.json", "*/package.json"], { cwd: root })) {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
      await readFile(join(root, path), "utf8"),
    ) as Record<string, Record<string, string> | undefined>;
    for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }))
      declared.add(name);
  }
  const foreign = [...declared].filter((name) => !name.startsWith("@paddock/"));
  expect(foreign.length).toBeGreaterThan(10);
  expect(foreign.filter((name) => !named.includes(name))).toEqual([]);
});

describe("every document", () => {
  test("names only commands that the programs have", async () => {
    const known = new Set<string>();
    for (const [program, main] of Object.entries(PROGRAMS)) {
      const words = wordsOf(program, await helpOf(main));
      expect(words.length, program).toBeGreaterThan(2);
      for (const word of words) known.add(`${program} ${word}`);
    }
    const named = [...documents].flatMap(([path, text]) =>
      codeOf(text).flatMap((code) =>
        [...code.matchAll(/paddock (gateway|collector|sim|bfd) +([a-z][a-z-]*)/gu)].map(
          ([, program, word]) => [path, `${program} ${word}`] as const,
        ),
      ),
    );
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(([, command]) => !known.has(command))).toEqual([]);
  });

  test("links to files and headings that exist", async () => {
    const broken: string[] = [];
    for (const [path, text] of documents) {
      for (const [, target] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/gu)) {
        if (/^[a-z]+:/u.test(target!)) continue;
        const [file, heading] = target!.split("#");
        const pointed = file === "" ? path : relative(root, join(root, dirname(path), file!));
        const exists = await access(join(root, pointed)).then(
          () => true,
          () => false,
        );
        const headings = documents.get(pointed);
        const hasHeading = heading === undefined || headings === undefined || slugsOf(headings).includes(heading);
        if (!exists || !hasHeading) broken.push(`${path}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});

async function helpOf(program: (argv: string[]) => number | Promise<number>): Promise<string> {
  return (await runInProcess(program, ["--help"])).stdout;
}

/** The commands in a program's help: behind its name, or first on an indented line. */
function wordsOf(program: string, help: string): string[] {
  const named = [...help.matchAll(new RegExp(`paddock ${program} ([a-z][a-z-]*)`, "gu"))];
  return [...named, ...help.matchAll(/^ {2}([a-z][a-z-]*) {2,}/gmu)].map(([, word]) => word!);
}

/** The family of a histogram's sample. */
function familyOf(name: string): string {
  return name.replace(/_(bucket|count|sum)$/u, "");
}

/** Code blocks and code spans. */
function codeOf(text: string): string[] {
  return [...text.matchAll(/```.*?```|`[^`\n]+`/gsu)].map(([code]) => code);
}

function withoutCode(text: string): string {
  return text.replaceAll(/```.*?```|`[^`\n]+`/gsu, "");
}

/** Anchors of the headings, as forges make them. */
function slugsOf(text: string): string[] {
  return [...text.replaceAll(/```.*?```/gsu, "").matchAll(/^#+ +(.*)$/gmu)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
