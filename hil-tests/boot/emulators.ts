/** How qemu stands in for a machine with UEFI of each architecture that there are images for. */
export interface Emulator {
  readonly command: string;
  /** Which machine, and which processor. */
  readonly machine: readonly string[];
  /** Program of the firmware, and its variables as they are at first. */
  readonly firmware: string;
  readonly variables: string;
}

export const EMULATORS = {
  "x86-64": {
    command: "qemu-system-x86_64",
    machine: ["-machine", "q35,smm=off"],
    firmware: "/usr/share/OVMF/OVMF_CODE_4M.fd",
    variables: "/usr/share/OVMF/OVMF_VARS_4M.fd",
  },
  // The processor of a Raspberry Pi 4; "max" signs pointers, and spends most of its time on that.
  arm64: {
    command: "qemu-system-aarch64",
    machine: ["-machine", "virt", "-cpu", "cortex-a72"],
    firmware: "/usr/share/AAVMF/AAVMF_CODE.fd",
    variables: "/usr/share/AAVMF/AAVMF_VARS.fd",
  },
} as const satisfies Readonly<Record<string, Emulator>>;
