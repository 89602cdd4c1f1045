import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ARCHITECTURES, architectureNamed, lockFileOf, type Architecture } from "./architectures.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { isVersion, VERSION_FORM } from "@paddock/wire/release/version.ts";

export const USAGE = `npm run image -- --version 0.1.0 --out DIRECTORY [OPTIONS]

Builds the image for machines with UEFI, with everything that goes with it.

  --version VERSION      X.Y.Z, or X.Y.Z~rcN for a candidate
  --out DIRECTORY        where the release goes; each architecture needs one of its own
  --arch NAME            what it is for: ${Object.keys(ARCHITECTURES).join(" (as it is without this) or ")}
  --key FILE             Ed25519 key in PEM that signs SHA256SUMS and the update; the image takes updates signed by it
  --support-until DATE   until when there will be updates, YYYY-MM-DD
  --contact URI          where weaknesses are reported: mailto:... or https://...; makes security.txt (RFC 9116)
  --url URL              where the release can be had, for os_list.json of Raspberry Pi Imager
  --secure-boot-key FILE, --secure-boot-cert FILE
                         sign kernel and boot loader for Secure Boot
  --compression WORDS    how the root is compressed, as mkfs.erofs takes it (zstd,level=6)
  --cache DIRECTORY      what was fetched before (~/.cache/paddock-image)
  --lock FILE            versions and hashes of Debian's packages (nix/image/packages.lock.json, or
                         packages.ARCH.lock.json)
  --renew                take what Debian has now, and lock that
  --raw                  the image, and with --key its update, without what else goes with it
`;

export interface CommandLine {
  readonly architecture: Architecture;
  readonly version: string;
  readonly out: string;
  readonly key: string | undefined;
  readonly supportUntil: string;
  readonly contact: string | undefined;
  /** Ends with a slash, or is empty. */
  readonly url: string;
  readonly secureBoot: { readonly key: string; readonly certificate: string } | undefined;
  readonly compression: string;
  readonly cache: string;
  readonly lock: string;
  readonly renew: boolean;
  readonly rawOnly: boolean;
}

/** Reads the command line; "help" when that is asked for. Throws USAGE. */
export function readOptions(args: string[], today = new Date()): CommandLine | "help" {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        version: text,
        out: text,
        arch: { ...text, default: ARCHITECTURES["x86-64"].name },
        key: text,
        "support-until": text,
        contact: text,
        url: { ...text, default: "" },
        "secure-boot-key": text,
        "secure-boot-cert": text,
        compression: { ...text, default: "zstd,level=6" },
        cache: { ...text, default: join(homedir(), ".cache/paddock-image") },
        lock: text,
        renew: flag,
        raw: flag,
        help: { ...flag, short: "h" },
      },
    }));
  } catch (error) {
    throw usage(`${messageOf(error)}.`);
  }
  if (values.help) return "help";
  const { version, out, key, "secure-boot-key": bootKey, "secure-boot-cert": bootCert } = values;
  if (version === undefined) throw usage("--version is missing.");
  if (!isVersion(version)) throw usage(`--version ${version}: expected ${VERSION_FORM}.`);
  if (out === undefined) throw usage("--out is missing.");
  if ((bootKey === undefined) !== (bootCert === undefined))
    throw usage("--secure-boot-key and --secure-boot-cert come together or not at all.");
  const supportUntil = values["support-until"] ?? `${today.getUTCFullYear() + 5}-12-31`;
  if (!/^\d{4}-\d\d-\d\d$/.test(supportUntil)) throw usage(`--support-until ${supportUntil}: expected YYYY-MM-DD.`);
  const { contact, url } = values;
  if (contact !== undefined && !/^(?:mailto:|https:\/\/|tel:)[^\s"\\]+$/u.test(contact))
    throw usage(`--contact ${contact}: expected mailto:..., https://... or tel:...`);
  if (url !== "" && !/^https?:\/\/\S+$/u.test(url)) throw usage(`--url ${url}: expected https://...`);
  const architecture = architectureNamed(values.arch);
  if (architecture === undefined)
    throw usage(`--arch ${values.arch}: expected ${Object.keys(ARCHITECTURES).join(" or ")}.`);
  return {
    architecture,
    version,
    out,
    key,
    supportUntil,
    contact,
    url: url === "" || url.endsWith("/") ? url : `${url}/`,
    secureBoot: bootKey === undefined || bootCert === undefined ? undefined : { key: bootKey, certificate: bootCert },
    compression: values.compression,
    cache: values.cache,
    lock: values.lock ?? lockFileOf(architecture),
    renew: values.renew,
    rawOnly: values.raw,
  };
}

function usage(message: string): PaddockError {
  return new PaddockError("USAGE", message, { remedy: "npm run image -- --help shows every option." });
}
