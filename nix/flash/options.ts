import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { UnitWishes } from "./config-files.ts";

export const HELP = `paddock flash IMAGE --to DISK      writes a gateway's image to a card or disk

  paddock flash --list               the disks of this machine, and which may be written
  paddock flash IMAGE --to /dev/sdb --key release.pub.pem --hostname barn-3 --new-claim
  paddock flash IMAGE --to /dev/sdb --verify-only     compares a disk with the image, writes nothing

Which image (SHA256SUMS, its signature and the .bmap are looked for beside it; .xz, .zst and .gz are unpacked):
  --key FILE            public key of who made it (PEM); without one say --unsigned: checksums alone are looked at
  --board NAME          refuse an image that is for another one, such as x86-64 or arm64

What it becomes (files in the partition CONFIG, see docs/images.md):
  --hostname NAME       --config gateway.json     --sensors sensors.json   --network FILE.network (repeat it)
  --identity FILE.pem   or --new-identity: the key is made here, so that its id is known before the first boot
  --claim CODE          or --new-claim: one is drawn
  --collector-key HEX   as "paddock collector id" prints it
  --ssh-key FILE        an authorized_keys file
  --label FILE.png      a label with id, claim code and both as a QR code

How:
  --keep-data           keep readings and identity that are on the disk; otherwise they are given up
  --yes                 do not ask                --json     the result as JSON
  --record FILE         append what was flashed, one line of JSON each (it holds claim codes: mode 0600)

Many:
  --batch units.csv     one gateway a line: hostname, claim, identity, config, sensors, collector-key, ssh-key, network.
                        {hostname} in --to and --label is replaced; with one disk the next is asked for. With --record a
                        batch goes on where it was stopped.

Exit codes: 0 done, 1 --verify-only found a difference, 2 refused or failed.
`;

const OPTIONS = {
  to: { type: "string" },
  list: { type: "boolean" },
  key: { type: "string" },
  unsigned: { type: "boolean" },
  board: { type: "string" },
  hostname: { type: "string" },
  config: { type: "string" },
  sensors: { type: "string" },
  network: { type: "string", multiple: true },
  identity: { type: "string" },
  "new-identity": { type: "boolean" },
  claim: { type: "string" },
  "new-claim": { type: "boolean" },
  "collector-key": { type: "string" },
  "ssh-key": { type: "string" },
  label: { type: "string" },
  "keep-data": { type: "boolean" },
  "verify-only": { type: "boolean" },
  yes: { type: "boolean" },
  json: { type: "boolean" },
  record: { type: "string" },
  batch: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

export type FlashOptions = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/** The options and the image. Throws USAGE. */
export function readOptions(argv: readonly string[]): { values: FlashOptions; image: string | undefined } {
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw usage(`${messageOf(error).replace(/\.$/u, "")}.`);
  }
  const { values, positionals } = parsed;
  if (positionals.length > 1) throw usage(`"${positionals[1]}" is one too many: name one image.`);
  for (const [one, other] of [
    ["identity", "new-identity"],
    ["claim", "new-claim"],
    ["key", "unsigned"],
    ["verify-only", "batch"],
    ["hostname", "batch"],
    ["claim", "batch"],
    ["identity", "batch"],
  ] as const) {
    if (values[one] !== undefined && values[other] !== undefined)
      throw usage(`--${one} and --${other} exclude each other.`);
  }
  return { values, image: positionals[0] };
}

/** What the options say about one gateway; a batch's row comes before them. Throws USAGE for a file that cannot be read. */
export async function wishesOf(values: FlashOptions, row: Readonly<Record<string, string>> = {}): Promise<UnitWishes> {
  const named = (name: "hostname" | "config" | "sensors" | "identity" | "claim" | "collector-key" | "ssh-key") =>
    row[name] ?? values[name];
  const networks = row["network"]?.split(" ") ?? values.network ?? [];
  const network = new Map<string, string>();
  for (const path of networks) network.set(basename(path), (await textOf("--network", path))!);
  const identity = named("identity");
  return {
    hostname: named("hostname"),
    gatewayJson: await textOf("--config", named("config")),
    sensorsJson: await textOf("--sensors", named("sensors")),
    sshKeys: await textOf("--ssh-key", named("ssh-key")),
    collectorKey: named("collector-key"),
    claim: named("claim") ?? (values["new-claim"] ? "new" : undefined),
    identity:
      identity === undefined ? (values["new-identity"] ? "new" : undefined) : await textOf("--identity", identity),
    network,
  };
}

async function textOf(option: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw usage(`${option} ${path} cannot be read: ${messageOf(error)}.`);
  }
}

export function usage(message: string): PaddockError {
  return new PaddockError("USAGE", message);
}
