import { readFileSync } from "node:fs";
import { join } from "node:path";

const NODE = "/usr/bin/node /opt/paddock/paddock-gateway.mjs";
const NIX = join(import.meta.dirname, "..");

/** Units and settings of an image by path, without a slash in front. */
export function systemText(): Readonly<Record<string, string>> {
  return {
    ...TEXT,
    "etc/systemd/system/paddock-gateway.service": unit("paddock-gateway"),
    "etc/systemd/system/paddock-bfd.service": unit("paddock-bfd"),
    "etc/paddock/bfd.nft": readFileSync(join(NIX, "bfd.nft"), "utf8"),
  };
}

/** A unit of nix/units with the bundle in place of the sources. */
function unit(name: string): string {
  return readFileSync(join(NIX, "units", `${name}.service`), "utf8")
    .replace(
      "/opt/paddock/paddock gateway run --config /etc/paddock/gateway.json",
      `${NODE} run --config /run/paddock/gateway.json`,
    )
    .replace("/opt/paddock/paddock bfd", "/usr/bin/node /opt/paddock/paddock-bfd.mjs");
}

const TEXT = {
  "etc/systemd/system/var.mount": `[Unit]
After=systemd-repart.service
Before=local-fs.target
[Mount]
What=/dev/disk/by-partlabel/data
Where=/var
Type=ext4
Options=nosuid,nodev,noexec,noatime
`,
  "etc/systemd/system/config.mount": `[Unit]
Before=local-fs.target
[Mount]
What=/dev/disk/by-partlabel/CONFIG
Where=/config
Type=vfat
Options=sync,nosuid,nodev,noexec,umask=0077
`,
  "etc/systemd/system/efi.mount": `[Mount]
What=/dev/disk/by-partlabel/esp
Where=/efi
Type=vfat
Options=sync,nosuid,nodev,noexec,umask=0077
`,
  "etc/systemd/system/systemd-bless-boot.service.d/paddock.conf": `[Unit]
RequiresMountsFor=/efi
`,
  "etc/systemd/system/local-fs.target.d/paddock.conf": `[Unit]
Wants=var.mount config.mount
`,
  "etc/systemd/system/multi-user.target.d/paddock.conf": `[Unit]
Wants=paddock-gateway.service
`,
  "etc/systemd/system/systemd-repart.service.d/paddock.conf": `[Service]
Environment=TMPDIR=/run
`,
  "etc/systemd/system/paddock-provision.service": `[Unit]
Description=Paddock: what the gateway runs with, from the CONFIG partition
DefaultDependencies=no
After=config.mount var.mount systemd-tmpfiles-setup.service
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${NODE} provision
ExecStart=/bin/sh -c '[ ! -e /run/paddock/hostname ] || hostname -F /run/paddock/hostname'
StandardOutput=journal+console
StandardError=journal+console
`,
  "etc/systemd/system/paddock-gateway.service.d/image.conf": `[Unit]
After=local-fs.target paddock-provision.service paddock-nft.service
Wants=paddock-provision.service paddock-nft.service
[Service]
StandardError=journal+console
`,
  // What provision put there stays when the speaker stops.
  "etc/systemd/system/paddock-bfd.service.d/image.conf": `[Unit]
After=paddock-provision.service
[Service]
RuntimeDirectoryPreserve=yes
`,
  "etc/systemd/system/paddock-nft.service": `[Unit]
Description=Paddock: the packet filter that BFD needs
DefaultDependencies=no
Before=network-pre.target paddock-bfd.service
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/paddock/bfd.nft
`,
  // The watchdog starts the machine anew when systemd is silent for so long. A disk that is slow is better than no gateway.
  "etc/systemd/system.conf.d/paddock.conf": `[Manager]
RuntimeWatchdogSec=30
RebootWatchdogSec=60
DefaultDeviceTimeoutSec=300
DefaultTimeoutStartSec=300
`,
  "etc/tmpfiles.d/paddock.conf": "d /var/lib/paddock 0700 paddock paddock\nd /run/paddock 0700 paddock paddock\n",
  "etc/systemd/network/80-wired.network": `[Match]
Type=ether
[Network]
IPv6AcceptRA=yes
LinkLocalAddressing=ipv6
`,
  "etc/repart.d/50-data.conf": `[Partition]
Type=linux-generic
Label=data
Format=ext4
SizeMinBytes=64M
`,
  "etc/sysctl.d/50-paddock.conf": "net.core.rmem_max=4194304\n",
} as const;
