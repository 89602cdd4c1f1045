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
  "etc/systemd/system/paddock-gateway.service": `[Unit]
Description=Paddock gateway
After=network.target local-fs.target
[Service]
Type=exec
ExecStart=/usr/bin/node /opt/paddock/paddock-gateway.mjs run --config /etc/paddock/gateway.json
User=paddock
Group=paddock
StateDirectory=paddock
StateDirectoryMode=0700
StandardError=journal+console
Restart=on-failure
RestartSec=2
ProtectSystem=strict
`,
  "etc/paddock/gateway.json": JSON.stringify({ dataDir: "/var/lib/paddock" }),
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
