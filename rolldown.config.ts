import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";
import { licences } from "./nix/bundle/licences.ts";
import { ARCHES, isBesideBundle, nativePart } from "./nix/bundle/native-part.ts";

/**
 * The programs as images ship them: they start sooner and take less memory, as nothing has to be found and stripped of
 * types. The folder is closed: it can be copied anywhere and needs nothing but Node.
 *
 *     npm run bundle -- --dir DIRECTORY --environment ARCH:arm64,PROGRAM:collector
 */

/** What can be asked for, and the programs that it takes: the gateway starts its BFD speaker from beside itself, the collector its sinks. */
const PROGRAMS = {
  gateway: { "paddock-gateway": "gateway/main.ts", "paddock-bfd": "uplink/bfd/main.ts" },
  collector: { "paddock-collector": "collector/main.ts", "paddock-sinks": "collector/sinks/main.ts" },
} as const;

function choose<Choice extends string>(variable: string, choices: readonly [Choice, ...Choice[]]): Choice {
  const wanted = process.env[variable] ?? choices[0];
  const choice = choices.find((one) => one === wanted);
  if (choice === undefined) throw new Error(`${variable} is ${wanted}; a bundle is made for ${choices.join(" or ")}`);
  return choice;
}

/** A module that is not found would only be missing once the program runs, and on another machine. */
const closed: Plugin = {
  name: "closed",
  onLog(_level, { code, message }) {
    if (code === "UNRESOLVED_IMPORT") throw new Error(message ?? "a module is not found");
  },
  generateBundle(_options, bundle) {
    for (const output of Object.values(bundle)) {
      if (output.type !== "chunk") continue;
      for (const specifier of [...output.imports, ...output.dynamicImports])
        if (!(specifier in bundle) && !isBesideBundle(specifier))
          this.error(`${output.fileName} needs ${specifier}, which would not be in the bundle`);
    }
  },
};

/** What an older bundle left in the folders that are all ours: a link there would be written through. */
const swept: Plugin = {
  name: "swept",
  generateBundle({ dir }) {
    for (const folder of ["node_modules", chunks])
      rmSync(join(dir ?? "dist", folder), { recursive: true, force: true });
  },
};

const arch = choose("ARCH", ARCHES);
const program = choose("PROGRAM", ["gateway", "collector"]);
const chunks = `paddock-${program}`;
const level = dirname(createRequire(join(import.meta.dirname, "store/package.json")).resolve("level/package.json"));

export default defineConfig({
  input: PROGRAMS[program],
  platform: "node",
  plugins: [swept, nativePart(arch, level), licences(), closed],
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].mjs",
    chunkFileNames: `${chunks}/[name].mjs`,
    minify: "dce-only",
  },
});
