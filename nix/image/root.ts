import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "./architectures.ts";
import { BUSYBOX_COMMANDS, EARLY_MODULES, rootFiles, rootModules, SYSTEMD_UNITS, WANTED } from "./contents.ts";
import { takeModules, type ModuleSource } from "./kernel-modules.ts";
import { RESOLV_CONF } from "./names-text.ts";
import type { Pool } from "./pool.ts";
import type { Tree } from "./tree.ts";

export interface RootParts {
  readonly architecture: Architecture;
  readonly pool: Pool;
  readonly modules: ModuleSource;
  /** Node without its symbols. */
  readonly node: string;
  /** Folder that `npm run bundle` made. */
  readonly bundle: string;
  /** Text that nix/lib makes, by path without a slash in front. */
  readonly text: Readonly<Record<string, string>>;
  readonly osRelease: string;
}

/** Places that something is mounted on, or that are written to there. */
const PLACES = ["config", "dev", "proc", "root", "run", "sys", "tmp", "var", "efi"];

/** Users of the programs, as nix/lib writes them for systemd-sysusers. */
const USERS = [
  ...readFileSync(join(import.meta.dirname, "../units/paddock.sysusers"), "utf8").matchAll(
    /^u (\S+) +(\d+) +"([^"]*)" +(\S+)$/gmu,
  ),
].map(([, name, id, about, home]) => ({ name, id, about, home }));

/** What is the same in every image, however it is set up. */
const FIXED_TEXT: Readonly<Record<string, string>> = {
  "etc/passwd": [
    "root:x:0:0:root:/root:/bin/sh",
    "systemd-network:x:998:998::/:/bin/false",
    "systemd-timesync:x:997:997::/:/bin/false",
    ...USERS.map(({ name, id, about, home }) => `${name}:x:${id}:${id}:${about}:${home}:/bin/false`),
    "nobody:x:65534:65534:nobody:/:/bin/false",
    "",
  ].join("\n"),
  "etc/group": `root:0 tty:5 disk:6 lp:7 kmem:15 dialout:20 cdrom:24 tape:26 audio:29 utmp:43 video:44 input:101 kvm:102
    render:103 sgx:104 systemd-timesync:997 systemd-network:998 systemd-journal:999 nogroup:65534
    ${USERS.map(({ name, id }) => `${name}:${id}`).join(" ")}`
    .split(/\s+/)
    .map((line) => `${line.replace(":", ":x:")}:\n`)
    .join(""),
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "etc/hosts": "::1 localhost\n127.0.0.1 localhost\n",
  // Empty: the file system is read-only, so systemd makes one for each start.
  "etc/machine-id": "",
};

/** The command that the documentation tells people to type. */
const COMMAND = `#!/bin/sh
case "$1" in
  gateway | bfd) ;;
  *)
    echo "usage: paddock gateway|bfd COMMAND [OPTIONS]   (each knows --help)" >&2
    exit 2
    ;;
esac
program=/opt/paddock/paddock-$1.mjs
shift
exec /usr/bin/node "$program" "$@"
`;

/** The whole root file system. */
export async function rootTree(parts: RootParts): Promise<Tree> {
  const { architecture, pool, modules, node, bundle, text, osRelease } = parts;
  const tree: Tree = new Map();
  for (const [name, to] of architecture.usrMerged) tree.set(name, { kind: "link", to });
  await pool.take(tree, [...rootFiles(architecture), ...SYSTEMD_UNITS]);
  for (const [target, units] of Object.entries(WANTED))
    for (const unit of units)
      tree.set(`usr/lib/systemd/system/${target}.wants/${unit}`, { kind: "link", to: `../${unit}` });
  tree.set("usr/lib/systemd/system/default.target", { kind: "link", to: "multi-user.target" });
  for (const name of BUSYBOX_COMMANDS)
    if (!tree.has(`usr/bin/${name}`)) tree.set(`usr/bin/${name}`, { kind: "link", to: "busybox" });
  // Not busybox, whose shell runs its own commands before those of the same name in PATH, `ip` too.
  tree.set("usr/bin/sh", { kind: "link", to: "dash" });
  await takeModules(tree, modules, rootModules(architecture), "kmod");
  tree.set("usr/bin/node", { kind: "file", mode: 0o755, from: node });
  await pool.takeLibraries(tree, [node]);
  tree.set("usr/bin/paddock", { kind: "text", mode: 0o755, content: COMMAND });
  for (const file of await filesOf(bundle))
    tree.set(`opt/paddock/${file}`, { kind: "file", mode: 0o644, from: join(bundle, file) });
  for (const [path, content] of Object.entries({ ...FIXED_TEXT, ...text }))
    tree.set(path, { kind: "text", mode: 0o644, content });
  tree.set("usr/lib/paddock/early-modules", { kind: "text", mode: 0o644, content: `${EARLY_MODULES.join("\n")}\n` });
  tree.set("usr/lib/os-release", { kind: "text", mode: 0o644, content: osRelease });
  tree.set("etc/os-release", { kind: "link", to: "../usr/lib/os-release" });
  tree.set("etc/resolv.conf", { kind: "link", to: `../${RESOLV_CONF}` });
  tree.set("etc/mtab", { kind: "link", to: "../proc/self/mounts" });
  for (const place of PLACES) tree.set(place, { kind: "directory", mode: place === "tmp" ? 0o1777 : 0o755 });
  return tree;
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}
