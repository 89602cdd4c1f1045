/*
 * Boots the image in an emulated machine, and does to it what happens in the field:
 *
 *     node hil-tests/boot/main.ts [--built] [--all] [WORD …]
 *
 * Builds the image first, with --all those of a newer release and for arm64, too; with --built it takes those of the last
 * run. Without --all only what CI runs; WORD picks files whose name contains it.
 */
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { missingForLab } from "../lab/namespaces.ts";
import { buildImage, imageFile } from "./build-image.ts";
import { EMULATORS } from "./emulators.ts";
import { MACHINE_COMMANDS } from "./machine.ts";
import { ALL_VARIABLE, ARM64_IMAGE_VARIABLE, IMAGE_VARIABLE, NEWER_IMAGE_VARIABLE, VERSIONS } from "./variables.ts";

const RESULTS = join(import.meta.dirname, "../results/images");

const { values, positionals } = parseArgs({
  options: { built: { type: "boolean", default: false }, all: { type: "boolean", default: false } },
  allowPositionals: true,
});

const emulators = Object.values(EMULATORS).slice(0, values.all ? undefined : 1);
const missing = missingForLab([...MACHINE_COMMANDS, ...emulators.map(({ command }) => command)]);
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
process.env[IMAGE_VARIABLE] = built(VERSIONS.ours);
if (values.all) {
  process.env[NEWER_IMAGE_VARIABLE] = built(VERSIONS.newer);
  process.env[ARM64_IMAGE_VARIABLE] = built(VERSIONS.ours, "arm64");
  process.env[ALL_VARIABLE] = "yes";
}
let failed = 0;
// One machine at a time: an emulated one takes a whole processor.
const stream = run({ files: files.toSorted().map((file) => join(import.meta.dirname, file)), concurrency: 1 });
stream.on("test:fail", () => failed++);
const shown = stream.compose(spec);
shown.pipe(process.stdout, { end: false });
await finished(shown);
process.exitCode = failed === 0 ? 0 : 1;

function built(version: string, architecture?: keyof typeof EMULATORS): string {
  const image = imageFile(version, RESULTS, architecture);
  if (!values.built || !existsSync(image)) buildImage(version, RESULTS, architecture);
  return image;
}
