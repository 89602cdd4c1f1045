import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BUILDER, type Architecture } from "./architectures.ts";
import { Apt, type LockedPackage } from "./debian.ts";
import { makeFat, partitionsOf, SIZES_MIB, writeDisk, type Partition } from "./disk.ts";
import { makeErofs } from "./erofs.ts";
import { FixedIds } from "./fixed-ids.ts";
import { collectParts } from "../sbom/collect-parts.ts";
import type { ImageParts } from "../sbom/parts.ts";
import { blankUnused } from "./blank-node.ts";
import { imageText } from "./image-text.ts";
import { makeInitrd, releaseArgument } from "./initrd.ts";
import { kernelRelease, type ModuleSource } from "./kernel-modules.ts";
import { lockedPackages } from "./lock.ts";
import { nodeProgram } from "./node-program.ts";
import { Pool } from "./pool.ts";
import { rootTree } from "./root.ts";
import { run } from "./run.ts";
import { writeTree } from "./tree.ts";
import { makeUki, signEfi, type SigningKey } from "./uki.ts";
import { makeVerity } from "./verity.ts";

export interface ImageOptions {
  readonly architecture: Architecture;
  /** X.Y.Z or X.Y.Z~rcN. */
  readonly version: string;
  /** Folder for the release. */
  readonly out: string;
  /** Folder outside of the sources for what is fetched. */
  readonly cache: string;
  /** How the root is compressed: what mkfs.erofs takes behind -z. */
  readonly compression: string;
  /** PEM of the Ed25519 key whose releases the image will take as updates; undefined: it takes none. */
  readonly key?: string | undefined;
  /** Key and certificate for Secure Boot. */
  readonly secureBoot?: SigningKey | undefined;
  /** File with the packages, each in one version. */
  readonly lock: string;
  /** Until when there will be updates: YYYY-MM-DD. */
  readonly supportUntil: string;
  /** Where weaknesses are reported, a URI; undefined: nobody is named. */
  readonly contact?: string | undefined;
  /** Take what the mirrors have now, and lock that. */
  readonly renew: boolean;
  /** Called with what is being done. */
  readonly tell: (step: string) => void;
}

export interface BuiltImage {
  readonly architecture: Architecture;
  /** The image on this machine. */
  readonly raw: string;
  readonly partitions: readonly Partition[];
  readonly rootHash: string;
  /** Bytes of what is in the partitions. */
  readonly sizes: Readonly<Record<"root" | "verity" | "initrd" | "uki", number>>;
  readonly kernel: string;
  /** Packages that something was taken from. */
  readonly packages: readonly LockedPackage[];
  /** What others made of it. */
  readonly parts: ImageParts;
}

const HOUSE = join(import.meta.dirname, "../..");

/** Builds the image: `paddock_<version>_<architecture>.raw` in `out`. */
export async function buildImage(options: ImageOptions): Promise<BuiltImage> {
  await mkdir(options.out, { recursive: true });
  const scratch = await mkdtemp(join(options.out, ".build-"));
  try {
    return await buildIn(scratch, options);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function buildIn(scratch: string, options: ImageOptions): Promise<BuiltImage> {
  const { architecture, version, out, tell } = options;
  if (process.arch !== BUILDER.node)
    throw new Error(`Images are built on ${BUILDER.name}, and this is ${process.arch}.`);
  const ids = new FixedIds(version, architecture.name);
  tell("packages of Debian");
  const apt = await Apt.open(options.cache, architecture.debian);
  const { image: packages, tools } = await lockedPackages(apt, architecture, options);
  const folders = await apt.unpacked(packages);
  const pool = new Pool(folders, architecture);
  const kernelPackage = packages.find(({ name }) => name.startsWith("linux-image-"))!;
  const kernelFolder = folders.get(kernelPackage.name)!;
  const kernel = await kernelRelease(kernelFolder);
  const modules = (purpose: string): ModuleSource => ({
    release: kernel,
    folder: join(kernelFolder, "usr/lib/modules", kernel),
    index: `${kernelFolder}.modules`,
    scratch: join(scratch, purpose),
  });

  tell("bundle and Node");
  const bundle = join(scratch, "bundle");
  await run(process.execPath, [join(HOUSE, "node_modules/rolldown/bin/cli.mjs"), "-c", "--dir", bundle], {
    cwd: HOUSE,
    env: { ARCH: architecture.node },
  });
  const node = join(scratch, "node");
  const { program, versions } = await nodeProgram(architecture, options.cache);
  await run(`${architecture.binutils}strip`, ["-s", "-o", node, program]);
  await blankUnused(node);

  tell("root file system");
  const osRelease = osReleaseOf(options);
  const text = await imageText(options.key);
  const tree = await rootTree({ architecture, pool, modules: modules("root-modules"), node, bundle, text, osRelease });
  await writeTree(tree, join(scratch, "root"));
  const root = join(scratch, "root.erofs");
  await makeErofs(await apt.unpacked(tools), {
    from: join(scratch, "root"),
    to: root,
    id: ids.uuid("root"),
    compression: options.compression,
  });
  const files = {
    root,
    verity: join(scratch, "verity"),
    esp: join(scratch, "esp.fat"),
    config: join(scratch, "config.fat"),
  };
  const verity = await makeVerity(root, files.verity, ids);

  tell("kernel");
  const initrd = join(scratch, "initrd.zst");
  await writeFile(initrd, await makeInitrd(architecture, pool, modules("initrd-modules")));
  const uki = join(scratch, "uki.efi");
  await makeUki(
    {
      stub: pool.find(`usr/lib/systemd/boot/efi/linux${architecture.efi}.efi.stub`),
      kernel: join(kernelFolder, "boot", `vmlinuz-${kernel}`),
      initrd,
      osRelease,
      commandLine: [releaseArgument(version, verity), architecture.consoles, COMMAND_LINE, sysctlArguments(text)].join(
        " ",
      ),
      kernelRelease: kernel,
      binutils: architecture.binutils,
    },
    scratch,
    uki,
    options.secureBoot,
  );

  tell("partitions");
  const espEntry = `EFI/Linux/paddock_${version}+${BOOT_TRIES}.efi`;
  // What firmware starts when nobody told it anything.
  const espLoader = `EFI/BOOT/BOOT${architecture.efi.toUpperCase()}.EFI`;
  const loader = join(scratch, "loader.efi");
  await run("cp", [pool.find(`usr/lib/systemd/boot/efi/systemd-boot${architecture.efi}.efi`), loader]);
  if (options.secureBoot !== undefined) await signEfi(loader, options.secureBoot);
  const loaderConf = join(scratch, "loader.conf");
  await writeFile(loaderConf, LOADER_CONF);
  await makeFat(
    files.esp,
    { label: "ESP", bits: 32, mib: SIZES_MIB.esp, id: ids.fat("esp"), scratch },
    {
      [espLoader]: loader,
      [espEntry]: uki,
      "loader/loader.conf": loaderConf,
    },
  );
  const readMe = join(scratch, "readme.txt");
  await writeFile(readMe, CONFIG_README);
  await makeFat(
    files.config,
    { label: "CONFIG", bits: 16, mib: SIZES_MIB.config, id: ids.fat("config"), scratch },
    {
      "README.txt": readMe,
    },
  );
  const parts = await collectParts({
    tree,
    folders,
    packages,
    kernelPackage,
    esp: {
      [kernelPackage.name]: [espEntry],
      "systemd-boot-efi": [espEntry, espLoader],
    },
    bundle,
    lockFile: join(HOUSE, "package-lock.json"),
    node,
    nodeVersions: versions,
    architecture: architecture.debian,
  });
  const partitions = partitionsOf({ version, ids, files, rootHash: verity.rootHash });
  const raw = join(out, `paddock_${version}_${architecture.name}.raw`);
  await writeDisk(raw, partitions, { ids, architecture });

  return {
    architecture,
    raw,
    partitions,
    rootHash: verity.rootHash,
    sizes: {
      root: await sizeOf(root),
      verity: await sizeOf(files.verity),
      initrd: await sizeOf(initrd),
      uki: await sizeOf(uki),
    },
    kernel,
    parts,
    packages: packages.filter(({ name }) => pool.used.includes(name) || name === kernelPackage.name),
  };
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size;
}

/** Starts that a new release gets before the boot loader takes the other one. */
const BOOT_TRIES = 3;

/**
 * gpt: when the power goes while an update renames its slot,
 * the kernel takes the copy of the partition table; without that word it would find no partition at all.
 */
const COMMAND_LINE = [
  "panic=10 ro loglevel=4 TERM=dumb random.trust_cpu=on gpt",
  // Those that nothing here uses take time at each start, and a process's when systemd attaches a program to bpf's.
  "lsm=lockdown,capability,landlock,yama",
].join(" ");

/** The settings of sysctl.d as the kernel takes them itself: no process has to run for them. */
function sysctlArguments(text: Readonly<Record<string, string>>): string {
  const lines = Object.entries(text).flatMap(([path, content]) =>
    path.startsWith("etc/sysctl.d/") ? content.split("\n").filter((line) => /^[\w.]+=\S+$/u.test(line)) : [],
  );
  return lines.map((line) => `sysctl.${line}`).join(" ");
}

/** No menu and no editing of the command line: whoever has a keyboard has no more rights than others. */
const LOADER_CONF = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n";

const CONFIG_README = [
  "Files that you put here configure this gateway at its next start.",
  "gateway.json    the gateway's configuration     sensors.json   the sensors file that it names",
  "identity.pem    its key (moved away from here)  claim.txt      claim code for the collector",
  "collector.pub   the collector's key             hostname       one line",
  "network/        systemd-networkd files, NAME.network",
  "What is wrong with them will be in config-errors.txt.",
  "",
].join("\r\n");

function osReleaseOf({ version, supportUntil, contact }: ImageOptions): string {
  return [
    'NAME="Paddock"',
    "ID=paddock",
    `VERSION_ID=${version}`,
    `IMAGE_VERSION=${version}`,
    "IMAGE_ID=paddock",
    `PRETTY_NAME="Paddock ${version}"`,
    `SUPPORT_END=${supportUntil}`,
    ...(contact === undefined ? [] : [`BUG_REPORT_URL="${contact}"`]),
    "",
  ].join("\n");
}
