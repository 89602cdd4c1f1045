import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { BUILDER, type Architecture } from "./architectures.ts";
import { run } from "./run.ts";

const HOUSE = join(import.meta.dirname, "../..");
const VersionsSchema = v.record(v.string(), v.string());
const LockSchema = v.object({
  packages: v.record(v.string(), v.looseObject({ version: v.optional(v.string()), integrity: v.optional(v.string()) })),
});

export interface NodeProgram {
  /** The program on this machine, for the processor that was asked for. */
  readonly program: string;
  /** What process.versions of it has. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Node of the version that package-lock.json has, for a processor. npm installs it for its own processor alone; for
 * another one it is fetched by npm into `cache`, and is the one whose hash the lock has, or an error.
 */
export async function nodeProgram(architecture: Architecture, cache: string): Promise<NodeProgram> {
  const own = join(installed(BUILDER), "bin/node");
  // Nothing for another processor runs here; the same version has the same parts.
  const versions = v.parse(VersionsSchema, JSON.parse(await run(own, ["-p", "JSON.stringify(process.versions)"])));
  if (architecture === BUILDER) return { program: own, versions };
  const folder = await fetched(packageOf(architecture), versions["node"]!, cache);
  return { program: join(folder, "bin/node"), versions };
}

const packageOf = ({ node }: Architecture): string => `node-linux-${node}`;

function installed(architecture: Architecture): string {
  return dirname(createRequire(join(HOUSE, "package.json")).resolve(`${packageOf(architecture)}/package.json`));
}

/** The folder of a package that package-lock.json has in that version, and that is not installed. */
async function fetched(name: string, version: string, cache: string): Promise<string> {
  const lock = v.parse(LockSchema, JSON.parse(await readFile(join(HOUSE, "package-lock.json"), "utf8")));
  const locked = lock.packages[`node_modules/${name}`];
  if (locked?.version !== version || locked.integrity?.startsWith("sha512-") !== true)
    throw new Error(`package-lock.json has ${name} ${locked?.version}, and not ${version}, with a SHA-512`);
  const sha512 = Buffer.from(locked.integrity.slice("sha512-".length), "base64").toString("hex");
  const folder = join(cache, "unpacked", sha512.slice(0, 64));
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const scratch = await mkdtemp(`${folder}.`);
  try {
    const spec = `${name}@${version}`;
    const said = await run("npm", ["pack", spec, "--json", "--ignore-scripts", "--pack-destination", scratch], {
      cwd: HOUSE,
    });
    const [packed] = v.parse(v.array(v.object({ filename: v.string() })), JSON.parse(said));
    const archive = join(scratch, packed!.filename);
    const found = createHash("sha512")
      .update(await readFile(archive))
      .digest("hex");
    if (found !== sha512) throw new Error(`${spec} is not the package that is locked: its SHA-512 is ${found}`);
    await mkdir(join(scratch, "package"));
    await run("tar", ["-xzf", archive, "-C", join(scratch, "package"), "--strip-components=1", "--no-same-owner"]);
    await rename(join(scratch, "package"), folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return folder;
}
