import { join } from "node:path";
import type { Arch } from "../bundle/native-part.ts";

/** A kind of processor that images are built for. Everything in which one differs from another stands in this file. */
export interface Architecture {
  /** As image files, releases and systemd call it. */
  readonly name: "x86-64" | "arm64";
  /** As Debian does. */
  readonly debian: "amd64" | "arm64";
  /** As Node and the bundle do. */
  readonly node: Arch;
  /** As the kernel and `uname -m` do. */
  readonly kernel: string;
  /** As names of EFI programs have it, in small letters. */
  readonly efi: "x64" | "aa64";
  /** Put in front of names of binutils for the ones that know its programs. */
  readonly binutils: string;
  /** Folder of libraries, as Debian has it. */
  readonly libraries: string;
  /** What loads the libraries of a program; programs name it by its place. */
  readonly loader: string;
  /** Links to folders below /usr: names that programs and scripts were built with. */
  readonly usrMerged: readonly (readonly [name: string, to: string])[];
  /** Consoles for the kernel; the last one that there is gets what programs say. */
  readonly consoles: string;
  /** Types of the partitions that are this processor's alone (UAPI.2, discoverable partitions). */
  readonly partitionTypes: { readonly root: string; readonly verity: string };
  /** Debian's package that points to the newest kernel. */
  readonly kernelMeta: string;
  /** Drivers that only its machines have, to reach the root and for all else. */
  readonly initrdModules: readonly string[];
  readonly rootModules: readonly string[];
}

const words = (text: string): string[] => text.trim().split(/\s+/);

const USR_MERGED = [
  ["bin", "usr/bin"],
  ["sbin", "usr/sbin"],
  ["lib", "usr/lib"],
] as const;

const X86_64: Architecture = {
  name: "x86-64",
  debian: "amd64",
  node: "x64",
  kernel: "x86_64",
  efi: "x64",
  binutils: "x86_64-linux-gnu-",
  libraries: "usr/lib/x86_64-linux-gnu",
  loader: "usr/lib64/ld-linux-x86-64.so.2",
  usrMerged: [...USR_MERGED, ["lib64", "usr/lib64"]],
  consoles: "console=tty0 console=ttyS0,115200",
  partitionTypes: {
    root: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    verity: "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5",
  },
  kernelMeta: "linux-image-amd64",
  initrdModules: words("crc32c_intel sha256_ssse3"),
  rootModules: words("aesni_intel iTCO_wdt sp5100_tco tpm_tis"),
};

/** Any machine with UEFI: servers and boards by ACPI, and a Raspberry Pi 4 whose firmware is UEFI. */
const ARM64: Architecture = {
  name: "arm64",
  debian: "arm64",
  node: "arm64",
  kernel: "aarch64",
  efi: "aa64",
  binutils: "aarch64-linux-gnu-",
  libraries: "usr/lib/aarch64-linux-gnu",
  loader: "usr/lib/ld-linux-aarch64.so.1",
  usrMerged: USR_MERGED,
  consoles: "console=tty0 console=ttyS0,115200 console=ttyAMA0,115200",
  partitionTypes: {
    root: "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    verity: "DF3300CE-D69F-4C92-978C-9BFB0F38D820",
  },
  kernelMeta: "linux-image-arm64",
  initrdModules: words("sdhci_iproc sha256_arm64 sha2_ce virtio_mmio xhci_plat_hcd"),
  rootModules: words(
    "aes_ce_blk aes_neon_bs arm_smccc_trng bcm2835_wdt broadcom dw_wdt genet iproc_rng200 lan78xx mdio_bcm_unimac sbsa_gwdt smsc95xx",
  ),
};

/** Everything that images are built for, by name. */
export const ARCHITECTURES: Readonly<Record<Architecture["name"], Architecture>> = { "x86-64": X86_64, arm64: ARM64 };

/** The architecture that is called so by Paddock, Debian, Node or the kernel; undefined when none is. */
export function architectureNamed(name: string): Architecture | undefined {
  return Object.values(ARCHITECTURES).find((one) => [one.name, one.debian, one.node, one.kernel].includes(name));
}

/** The file in the sources that locks the packages of an architecture. */
export function lockFileOf(architecture: Architecture): string {
  const middle = architecture === BUILDER ? "" : `.${architecture.name}`;
  return join(import.meta.dirname, `packages${middle}.lock.json`);
}

/** What the builder runs on: programs of Debian that build an image are this one's. */
export const BUILDER = X86_64;
