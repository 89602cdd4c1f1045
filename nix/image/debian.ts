import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { BUILDER, type Architecture } from "./architectures.ts";
import { run } from "./run.ts";

/** A package as it was when it was last looked at: exactly this one goes into an image. */
export interface LockedPackage {
  readonly name: string;
  /** As Debian calls it; undefined: that of the builder. */
  readonly architecture?: DebianArchitecture | undefined;
  readonly version: string;
  /** Of the .deb file, hex. */
  readonly sha256: string;
}

type DebianArchitecture = Architecture["debian"];

/** The Debian release that kernel and userland come from. */
export const SUITE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * apt with a state of its own below `cache`: it knows SUITE from the mirrors that this machine takes its own release
 * from, for the builder's processor and another one, and nothing of what is installed.
 */
export class Apt {
  readonly #cache: string;
  readonly #options: readonly string[];

  private constructor(cache: string, architecture: DebianArchitecture) {
    this.#cache = cache;
    const etc = join(cache, "etc");
    this.#options = [
      ["Dir::Etc::SourceList", join(etc, "sources.list")],
      ["Dir::Etc::SourceParts", join(etc, "none")],
      ["Dir::Etc::Preferences", "/dev/null"],
      ["Dir::Etc::PreferencesParts", join(etc, "none")],
      ["Dir::State", join(cache, "state")],
      ["Dir::State::Status", join(etc, "status")],
      ["Dir::Cache", join(cache, "cache")],
      ["APT::Sandbox::User", "root"],
      ["APT::Architecture", BUILDER.debian],
      ...[...new Set([BUILDER.debian, architecture])].map((one) => ["APT::Architectures::", one]),
    ].flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  }

  static async open(cache: string, architecture: DebianArchitecture): Promise<Apt> {
    for (const folder of ["etc/none", "state/lists/partial", "cache/archives/partial", "debs"])
      await mkdir(join(cache, folder), { recursive: true });
    await writeFile(join(cache, "etc/status"), "");
    await writeFile(join(cache, "etc/sources.list"), await sources());
    return new Apt(cache, architecture);
  }

  /** Asks the mirrors what there is. */
  async update(): Promise<void> {
    await run("apt-get", ["-q", ...this.#options, "update"]);
  }

  /** What SUITE has now of each of the names. */
  async newest(names: readonly string[], architecture: DebianArchitecture): Promise<LockedPackage[]> {
    const wanted = names.map((name) => `${name}:${architecture}`);
    const text = await run("apt-cache", [...this.#options, "show", "--no-all-versions", ...wanted]);
    const packages = text.split("\n\n").flatMap((paragraph) => {
      const field = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(paragraph)?.[1];
      const [name, version, sha256] = [field("Package"), field("Version"), field("SHA256")];
      if (name === undefined || version === undefined || sha256 === undefined) return [];
      return [{ name, ...(architecture === BUILDER.debian ? {} : { architecture }), version, sha256 }];
    });
    const missing = names.filter((name) => !packages.some((one) => one.name === name));
    if (missing.length > 0) throw new Error(`${SUITE} has no package ${missing.join(", ")}`);
    return packages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The name of the kernel's package, which has the version in it, behind the one that points to it. */
  async kernelBehind({ kernelMeta: meta, debian }: Architecture): Promise<string> {
    const text = await run("apt-cache", [...this.#options, "depends", `${meta}:${debian}`]);
    const name = /Depends: (linux-image-[^\s:]+)/.exec(text)?.[1];
    if (name === undefined) throw new Error(`${SUITE} has no kernel behind ${meta}`);
    return name;
  }

  /**
   * Folders with the content of each package, fetched where they are not there yet. Rejects when a package has another
   * hash than the locked one, or when the mirrors no longer have that version.
   */
  async unpacked(packages: readonly LockedPackage[]): Promise<Map<string, string>> {
    const folder = ({ sha256 }: LockedPackage): string => join(this.#cache, "unpacked", sha256);
    const wanted = packages.filter((one) => !existsSync(folder(one)));
    if (wanted.length > 0) await this.#fetch(wanted, folder);
    return new Map(packages.map((one) => [one.name, folder(one)]));
  }

  async #fetch(wanted: readonly LockedPackage[], folder: (one: LockedPackage) => string): Promise<void> {
    const debs = join(this.#cache, "debs");
    await rm(debs, { recursive: true, force: true });
    await mkdir(debs);
    await this.update();
    try {
      const names = wanted.map(
        ({ name, architecture = BUILDER.debian, version }) => `${name}:${architecture}=${version}`,
      );
      await run("apt-get", ["-q", ...this.#options, "download", ...names], { cwd: debs });
    } catch (error) {
      throw new Error(
        `The locked packages cannot be fetched; --renew takes what the mirrors have now.\n${String(error)}`,
        {
          cause: error,
        },
      );
    }
    for (const file of await readdir(debs)) {
      const path = join(debs, file);
      const hash = createHash("sha256");
      await pipeline(createReadStream(path), hash);
      const sha256 = hash.digest("hex");
      const one = wanted.find((other) => other.sha256 === sha256);
      if (one === undefined) throw new Error(`${file} is not the package that is locked: its SHA-256 is ${sha256}`);
      const place = folder(one);
      await rm(`${place}.new`, { recursive: true, force: true });
      await mkdir(`${place}.new`, { recursive: true });
      await run("dpkg-deb", ["-x", path, `${place}.new`]);
      await rename(`${place}.new`, place);
    }
    await rm(debs, { recursive: true });
  }
}

/** Where this machine gets Debian and its security updates, for SUITE. */
async function sources(): Promise<string> {
  const text = await run("apt-get", ["indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"]);
  const uriOf = (label: string) =>
    text
      .split("\n")
      .find((line) => line.startsWith(`${label}|`))
      ?.slice(label.length + 1);
  const main = uriOf("Debian");
  if (main === undefined) throw new Error("apt knows no Debian release: run apt-get update first");
  const security = uriOf("Debian-Security");
  return [
    `deb [signed-by=${KEYRING}] ${main} ${SUITE} main`,
    security === undefined ? "" : `deb [signed-by=${KEYRING}] ${security} ${SUITE}-security main`,
    "",
  ].join("\n");
}
