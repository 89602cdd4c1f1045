import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "rolldown";

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** What its licence files say, in full. */
  readonly text: string;
}

/** The file of a bundle that names everything of others in it, with their licences. */
const LICENCES_FILE = "LICENCES.txt";
/** The same packages for programs: the bill of materials is made from it. */
const PACKAGES_FILE = "packages.json";

/**
 * Writes LICENCES.txt and packages.json: every package that a line of the bundle comes from. Fails at one that names no
 * licence.
 */
export function licences(): Plugin {
  return {
    name: "licences",
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((output) => (output.type === "chunk" ? output.moduleIds : []));
      const folders = new Set(modules.flatMap((id) => packageFolder(id) ?? []));
      const packages = [...folders]
        .map((folder) => readPackage(folder))
        .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      this.emitFile({ type: "asset", fileName: LICENCES_FILE, source: licenceText(packages) });
      const list = packages.map(({ name, version, license }) => ({ name, version, licence: license }));
      this.emitFile({ type: "asset", fileName: PACKAGES_FILE, source: `${JSON.stringify(list, null, 2)}\n` });
    },
  };
}

/** One text for all, in the order of names and versions: a build elsewhere gives the same bytes. */
function licenceText(packages: readonly Package[]): string {
  return packages
    .map((one) => `${keyOf(one)}\nLicence: ${one.license}\n\n${one.text.trim()}\n`)
    .join(`\n${"-".repeat(80)}\n\n`);
}

const keyOf = ({ name, version }: Package): string => `${name} ${version}`;

/** The folder of the package of others that a module lies in; undefined for our own. */
function packageFolder(id: string): string | undefined {
  if (!id.includes("/node_modules/")) return undefined;
  let folder = dirname(id);
  while (!existsSync(join(folder, "package.json")) || !isNamed(folder)) folder = dirname(folder);
  return folder;
}

/** A package.json without a name only sets the module type of a folder inside a package. */
function isNamed(folder: string): boolean {
  return "name" in (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as object);
}

function readPackage(folder: string): Package {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Package;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /(?:^|\/)(?:licen[cs]e|copying|notice)(?:[.-][^/]*)?$/i.test(name),
  );
  if (typeof manifest.license !== "string" && files.length === 0)
    throw new Error(`${folder} names no licence: it cannot be given to others`);
  const text = files.toSorted().map((name) => readFileSync(join(folder, name), "utf8").trim());
  return { ...manifest, text: text.join("\n\n") };
}
