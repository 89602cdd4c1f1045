import type { Architecture } from "./architectures.ts";

/**
 * What an image takes from Debian: single files by list, not whole packages (docs/decisions/0044-userland-by-file-list.md).
 * Libraries that programs are linked with come by themselves.
 */

/** Packages that files are taken from; the image gets nothing of a package that no line below names. */
export const PACKAGES = [
  "busybox-static",
  "dash",
  "dmsetup",
  "e2fsprogs",
  "erofs-utils",
  "iproute2",
  "kmod",
  "libacl1",
  "libapparmor1",
  "libaudit1",
  "libblkid1",
  "libbpf1",
  "libbsd0",
  "libc6",
  "libcap-ng0",
  "libcap2",
  "libcom-err2",
  "libcrypt1",
  "libdeflate0",
  "libdevmapper1.02.1",
  "libedit2",
  "libelf1t64",
  "libext2fs2t64",
  "libfdisk1",
  "libgcc-s1",
  "libgmp10",
  "libjansson4",
  "libkmod2",
  "liblz4-1",
  "liblzma5",
  "libmd0",
  "libmnl0",
  "libmount1",
  "libnftables1",
  "libnftnl11",
  "libpam0g",
  "libpcre2-8-0",
  "libseccomp2",
  "libselinux1",
  "libsmartcols1",
  "libssl3t64",
  "libstdc++6",
  "libsystemd-shared",
  "libsystemd0",
  "libtinfo6",
  "libudev1",
  "libuuid1",
  "libxtables12",
  "libxxhash0",
  "libzstd1",
  "mount",
  "nftables",
  "systemd",
  "systemd-boot",
  "systemd-boot-efi",
  "systemd-repart",
  "systemd-timesyncd",
  "udev",
  "util-linux",
  "zlib1g",
] as const;

const inFolder = (folder: string, names: string): string[] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `${folder}/${name}`);

/** Programs and files of the root file system, but for those of the processor. */
const ROOT_FILES: readonly string[] = [
  ...inFolder(
    "usr/bin",
    `busybox dash ip journalctl kmod mount networkctl systemctl systemd-notify udevadm umount systemd-repart`,
  ),
  ...inFolder("usr/sbin", "blkdiscard dmsetup e2fsck fsck.ext4 mke2fs mkfs.ext4 modprobe nft fsck"),
  ...inFolder(
    "usr/lib/systemd",
    `systemd systemd-bless-boot systemd-executor systemd-journald systemd-networkd systemd-networkd-wait-online
    systemd-shutdown systemd-timesyncd systemd-udevd`,
  ),
  ...inFolder("usr/lib/systemd/network", "99-default.link"),
  ...inFolder(
    "usr/lib/udev/rules.d",
    `50-udev-default.rules 55-dm.rules 60-block.rules 60-persistent-storage-dm.rules 60-persistent-storage.rules
    75-net-description.rules 80-drivers.rules 80-net-setup-link.rules 95-dm-notify.rules 99-systemd.rules`,
  ),
];

/** Programs and files of the root file system. */
export function rootFiles({ libraries, loader }: Architecture): string[] {
  // Loaded by name while running, so no program is linked with them.
  return [...ROOT_FILES, ...inFolder(libraries, "libkmod.so.2 libnss_files.so.2"), loader];
}

/** Units of systemd itself, without what other units want by default. */
export const SYSTEMD_UNITS: readonly string[] = inFolder(
  "usr/lib/systemd/system",
  `basic.target boot-complete.target emergency.target final.target local-fs-pre.target local-fs.target
  multi-user.target network-online.target network-pre.target network.target nss-lookup.target nss-user-lookup.target
  paths.target poweroff.target reboot.target shutdown.target slices.target sockets.target
  swap.target sysinit.target time-set.target time-sync.target timers.target tmp.mount umount.target
  systemd-bless-boot.service systemd-journal-flush.service systemd-journald-dev-log.socket systemd-journald.service
  systemd-journald.socket systemd-networkd-wait-online.service systemd-networkd.service systemd-networkd.socket
  systemd-poweroff.service systemd-reboot.service systemd-timesyncd.service systemd-udev-trigger.service
  systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service`,
);

/** Units that a target wants: links in its .wants folder. */
export const WANTED: Readonly<Record<string, readonly string[]>> = {
  "sysinit.target": ["systemd-journald.service", "systemd-udev-trigger.service", "systemd-udevd.service"],
  "sockets.target": [
    "systemd-journald-dev-log.socket",
    "systemd-journald.socket",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
  ],
  "basic.target": ["systemd-bless-boot.service"],
  "local-fs.target": ["tmp.mount"],
  "multi-user.target": ["systemd-networkd.service"],
};

/** Commands of busybox that units, scripts and people at a console want. */
export const BUSYBOX_COMMANDS =
  `cat chmod chown cp cut date dd df dmesg du echo env false find free grep head hexdump hostname id
kill less ln ls mkdir mkfifo mknod mv nc ping ping6 printf ps pwd reboot rm rmdir sed seq sha256sum sleep sort stat
stty sync tail tar tee test top touch tr true uname uniq uptime vi wc which xxd`
    .trim()
    .split(/\s+/);

/** Drivers to reach the root file system on whatever the machine starts from. */
const INITRD_MODULES: readonly string[] =
  `ahci crc32c_generic dm_verity ehci_pci erofs mmc_block nls_ascii nls_cp437 nvme
sd_mod sdhci_acpi sdhci_pci uas usb_storage vfat virtio_blk virtio_pci virtio_scsi xhci_pci`
    .trim()
    .split(/\s+/);

/**
 * What every start needs behind the root, by name: init.sh loads them all by one command. Left to the kernel, each would be
 * a process of its own at the moment it is missed.
 */
export const EARLY_MODULES: readonly string[] =
  "autofs4 dm_crypt ext4 nf_tables nft_ct nft_limit nft_log nft_reject_inet nls_ascii nls_cp437 vfat xts".split(" ");

/** What is needed to reach the root file system. */
export function initrdModules(architecture: Architecture): string[] {
  return [...INITRD_MODULES, ...architecture.initrdModules];
}

/** Further drivers: networks, watchdogs, file systems, the packet filter. Those that the machine has are loaded. */
const ROOT_MODULES: readonly string[] = `autofs4 cdc_ether cdc_mbim cdc_ncm dm_crypt e1000 e1000e
efivarfs ext4 i6300esb igb igc asix ax88179_178a nf_tables nft_ct nft_limit nft_reject_inet nft_log option
qmi_wwan r8152 r8169 realtek softdog tpm_crb usbserial virtio_net virtio_rng xts zram`
  .trim()
  .split(/\s+/);

/** All modules of the root file system. */
export function rootModules(architecture: Architecture): string[] {
  return [...initrdModules(architecture), ...ROOT_MODULES, ...architecture.rootModules];
}
