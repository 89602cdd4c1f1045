import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The command that starts a BFD speaker. In the bundle it is a file beside the gateway's; from sources undefined, as the
 * client knows where its own is.
 */
export function bundledSpeaker(): [string, ...string[]] | undefined {
  if (import.meta.url.endsWith(".ts")) return undefined;
  const file = ["paddock-bfd.mjs", "../paddock-bfd.mjs"]
    .map((name) => fileURLToPath(new URL(name, import.meta.url)))
    .find((path) => existsSync(path));
  return file === undefined ? undefined : [process.execPath, file];
}
