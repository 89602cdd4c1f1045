import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

/**
 * The programs as images ship them: they start sooner and take less memory, as nothing has to be found and stripped of
 * types. LevelDB's native part stays outside and belongs into node_modules beside the bundle; here it is a link.
 */
const nativeBeside: Plugin = {
  name: "native-beside",
  writeBundle({ dir = "dist" }) {
    const fromStore = createRequire(join(import.meta.dirname, "store/package.json"));
    const fromLevel = createRequire(fromStore.resolve("level"));
    mkdirSync(join(dir, "node_modules"), { recursive: true });
    const link = join(dir, "node_modules/classic-level");
    rmSync(link, { force: true, recursive: true });
    symlinkSync(dirname(fromLevel.resolve("classic-level/package.json")), link);
  },
};

export default defineConfig({
  input: { "paddock-gateway": "gateway/main.ts", "paddock-bfd": "uplink/bfd/main.ts" },
  platform: "node",
  external: ["classic-level"],
  plugins: [nativeBeside],
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].mjs",
    chunkFileNames: "paddock-gateway/[name].mjs",
    minify: "dce-only",
  },
});
