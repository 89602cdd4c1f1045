import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parseAst } from "rolldown/parseAst";

/** Who imports what, over all `.ts` files of a tree. */
export interface ImportGraph {
  /** For each file the files that import it (types do not count: they are stripped). */
  readonly importers: ReadonlyMap<string, readonly string[]>;
  /** Files that start processes themselves: a mutant lives in the tests' process and is not seen by any other. */
  readonly starters: ReadonlySet<string>;
}

/** Every `.ts` file of a tree, by its path from `root`. */
export function sourcesOf(root: string): string[] {
  return globSync("**/*.ts", { cwd: root, exclude: (name) => name === "node_modules" || name === "dist" }).toSorted();
}

/** Reads the imports of `files` (paths from `root`, with slashes). */
export function importGraph(root: string, files: readonly string[]): ImportGraph {
  const importers = new Map<string, string[]>();
  const starters = new Set<string>();
  for (const file of files) {
    for (const from of importsOf(file, readFileSync(join(root, file), "utf8"))) {
      if (from === "node:child_process") starters.add(file);
      const target = resolveImport(file, from);
      if (target === undefined) continue;
      const list = importers.get(target);
      if (list === undefined) importers.set(target, [file]);
      else list.push(file);
    }
  }
  return { importers, starters };
}

/**
 * The test files that reach `file` and lie in its own folder, nearest first; where the folder has none, those of the
 * whole room. Code is held by the tests beside it: what only a test far away notices, nobody finds the cause of.
 */
export function testsOf(graph: ImportGraph, file: string): string[] {
  const reached = new Set([file]);
  const tests: string[] = [];
  // Grows while it is walked: ring after ring of importers.
  for (const one of reached) {
    for (const importer of (graph.importers.get(one) ?? []).toSorted()) {
      if (reached.has(importer)) continue;
      reached.add(importer);
      if (importer.endsWith(".test.ts") && !graph.starters.has(importer)) tests.push(importer);
    }
  }
  const beside = tests.filter((test) => posix.dirname(test) === posix.dirname(file));
  const room = file.slice(0, file.indexOf("/") + 1);
  return beside.length > 0 ? beside : tests.filter((test) => test.startsWith(room));
}

function importsOf(file: string, source: string): string[] {
  const program = parseAst(source, { lang: "ts", sourceType: "module" }, file);
  const found: string[] = [];
  for (const statement of program.body) {
    if (statement.type === "ImportDeclaration" && statement.importKind !== "type") found.push(statement.source.value);
    if (statement.type === "ExportNamedDeclaration" && statement.source !== null) found.push(statement.source.value);
    if (statement.type === "ExportAllDeclaration") found.push(statement.source.value);
  }
  return found;
}

function resolveImport(file: string, from: string): string | undefined {
  if (from.startsWith("@paddock/")) return from.slice("@paddock/".length);
  return from.startsWith(".") ? posix.join(posix.dirname(file), from) : undefined;
}
