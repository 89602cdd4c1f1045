/*
 * Boots the image in an emulated machine, and does to it what happens in the field:
 *
 *     node hil-tests/boot/main.ts [--image FILE] [--all] [WORD …]
 *
 * Builds the image first unless one is given. Without --all only what CI runs; WORD picks files whose name contains it.
 */
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { missingForLab } from "../lab/namespaces.ts";
import { MACHINE_COMMANDS } from "./machine.ts";
import { ALL_VARIABLE, IMAGE_VARIABLE } from "./variables.ts";

const VERSION = "0.1.0";
const RESULTS = join(import.meta.dirname, "../results/images");
const IMAGE_MAIN = new URL("../../nix/image/main.ts", import.meta.url).pathname;

const { values, positionals } = parseArgs({
  options: { image: { type: "string" }, all: { type: "boolean", default: false } },
  allowPositionals: true,
});

const missing = missingForLab(MACHINE_COMMANDS);
if (missing.length > 0) {
  const all = missing.map((sentence) => `  ${sentence}`).join("\n");
  process.stdout.write(`Nothing was booted:\n${all}\nOn Debian, \`sudo hil-tests/setup.sh\` installs every command.\n`);
  process.exit(1);
}

const files = globSync("*.boot.test.ts", { cwd: import.meta.dirname }).filter(
  (file) => positionals.length === 0 || positionals.some((word) => file.includes(word)),
);
if (files.length === 0) {
  process.stdout.write(`Nothing was booted: no file's name contains ${positionals.join(" or ")}.\n`);
  process.exit(1);
}
process.env[IMAGE_VARIABLE] = values.image ?? buildImage();
if (values.all) process.env[ALL_VARIABLE] = "yes";
let failed = 0;
// One machine at a time: an emulated one takes a whole processor.
const stream = run({ files: files.toSorted().map((file) => join(import.meta.dirname, file)), concurrency: 1 });
stream.on("test:fail", () => failed++);
const shown = stream.compose(spec);
shown.pipe(process.stdout, { end: false });
await finished(shown);
process.exitCode = failed === 0 ? 0 : 1;

function buildImage(): string {
  mkdirSync(RESULTS, { recursive: true });
  const args = [IMAGE_MAIN, "--version", VERSION, "--out", RESULTS, "--raw", "--compression", "zstd,level=1"];
  execFileSync("nice", ["-n", "10", process.execPath, ...args], { stdio: "inherit" });
  return join(RESULTS, `paddock_${VERSION}_x86-64.raw`);
}
