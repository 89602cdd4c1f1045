/** Units and settings of an image by path, without a slash in front. */
export function systemText(): Readonly<Record<string, string>> {
  return TEXT;
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
ExecStart=/usr/bin/node /opt/paddock/paddock-gateway.mjs provision
StandardOutput=journal+console
StandardError=journal+console
`,
  "etc/systemd/system/paddock-gateway.service": `[Unit]
Description=Paddock gateway
After=network.target local-fs.target paddock-provision.service
Wants=paddock-provision.service
[Service]
Type=exec
ExecStart=/usr/bin/node /opt/paddock/paddock-gateway.mjs run --config /run/paddock/gateway.json
User=paddock
Group=paddock
StateDirectory=paddock
StateDirectoryMode=0700
StandardError=journal+console
Restart=on-failure
RestartSec=2
ProtectSystem=strict
AmbientCapabilities=CAP_NET_BIND_SERVICE
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
