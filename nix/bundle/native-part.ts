import { readFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "rolldown";

/** Processors that a bundle can be made for, as Node names them. */
export const ARCHES = ["x64", "arm64"] as const;
export type Arch = (typeof ARCHES)[number];

/** The prebuilt native part of LevelDB for glibc, of those that its package brings. */
const PREBUILT: Readonly<Record<Arch, string>> = {
  x64: "prebuilds/linux-x64/classic-level.node",
  arm64: "prebuilds/linux-arm64/classic-level.armv8.node",
};

/** What a bundle asks Node for; it lies in node_modules of the bundle. */
const NATIVE_MODULE = "classic-level/classic-level.node";

/**
 * Bundles LevelDB's JavaScript with everything else and puts the one native file beside it. The package searches folders
 * for a file that fits the machine it runs on, which needs the whole package and whatever it depends on; a bundle is for
 * one target and names the file. `level` is the folder of the package that depends on classic-level.
 */
export function nativePart(arch: Arch, level: string): Plugin {
  const classicLevel = dirname(createRequire(join(level, "package.json")).resolve("classic-level/package.json"));
  return {
    name: "native-part",
    resolveId(source, importer) {
      const isBinding = source === "./binding" && importer?.includes("/classic-level/") === true;
      return isBinding ? { id: NATIVE_MODULE, external: true } : null;
    },
    generateBundle() {
      const source = readFileSync(join(classicLevel, PREBUILT[arch]));
      this.emitFile({ type: "asset", fileName: `node_modules/${NATIVE_MODULE}`, source });
    },
  };
}

/** Whether Node finds `specifier` at run time without anything that is not in the bundle. */
export function isBesideBundle(specifier: string): boolean {
  return isBuiltin(specifier) || specifier === NATIVE_MODULE;
}
