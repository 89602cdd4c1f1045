import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Below this a second Node would leave too little for the gateway: machines of up to 192 MiB, of which the kernel takes its part. */
const LITTLE_MEMORY = "160M";
/** What nix/lib makes for an image, by path: `node nix/generate.ts` writes it. */
const MADE = join(import.meta.dirname, "files");

/** Units and settings of an image by path, without a slash in front. */
export function systemText(): Readonly<Record<string, string>> {
  const made = readdirSync(MADE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path.slice(MADE.length + 1), readFileSync(path, "utf8")] as const);
  const files = Object.fromEntries(made);
  return {
    ...TEXT,
    ...files,
    "etc/systemd/system/paddock-gateway.service.d/node-flags.conf": nodeFlags(
      files["etc/systemd/system/paddock-gateway.service"]!,
    ),
    "usr/lib/paddock/provision.sh": readFileSync(join(import.meta.dirname, "provision.sh"), "utf8"),
  };
}

/** Lets a unit that starts Node give it the flags that init.sh finds right for the machine. */
function nodeFlags(unit: string): string {
  const [, node, program] = /^ExecStart=(\S+\/node) (.+)$/mu.exec(unit)!;
  return `[Service]
Environment=NODE_FLAGS=
EnvironmentFile=-/run/paddock-boot/node-flags
ExecStart=
ExecStart=${node} $NODE_FLAGS ${program}
`;
}

const TEXT = {
  // By the links that init.sh and paddock-data.service make: they need not wait until udev has looked at every disk.
  "etc/systemd/system/var.mount": `[Unit]
After=paddock-open-data.service
Requires=paddock-open-data.service
Before=local-fs.target
[Mount]
What=/run/paddock-boot/var
Where=/var
Type=ext4
Options=nosuid,nodev,noexec,noatime
`,
  "etc/systemd/system/config.mount": `[Unit]
Before=local-fs.target
[Mount]
What=/run/paddock-boot/CONFIG
Where=/config
Type=vfat
Options=sync,nosuid,nodev,noexec,umask=0077
`,
  // Without sync: each block of a program would be a write of its own, and of the table with it. Who writes here says what has
  // to last: the gateway's program and systemd-bless-boot sync the file and its folder.
  "etc/systemd/system/efi.mount": `[Mount]
What=/run/paddock-boot/esp
Where=/efi
Type=vfat
Options=nosuid,nodev,noexec,umask=0077
`,
  "etc/systemd/system/paddock-data.service": `[Unit]
Description=Paddock: the data partition, at the first start
DefaultDependencies=no
ConditionPathExists=!/run/paddock-boot/data
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=TMPDIR=/run
ExecStart=/usr/bin/systemd-repart --dry-run=no
ExecStart=/bin/sh /usr/lib/paddock/link-data.sh
StandardError=journal+console
`,
  // The kernel does not know the name of a partition that was added while it runs: it is the one without.
  "usr/lib/paddock/link-data.sh": `read -r disk </run/paddock-boot/disk
for event in "/sys/block/\${disk#/dev/}"/*/uevent; do
  partition=\${event%/uevent}
  if grep -q '^PARTN=' "$event" && ! grep -q '^PARTNAME=' "$event"; then
    ln -sf "/dev/\${partition##*/}" /run/paddock-boot/data
  fi
done
[ -e /run/paddock-boot/data ]
`,
  // Only a start that the boot loader counts has to be marked as good.
  "etc/systemd/system/systemd-bless-boot.service.d/paddock.conf": `[Unit]
RequiresMountsFor=/efi
ConditionPathExists=/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
`,
  "etc/systemd/system/local-fs.target.d/paddock.conf": `[Unit]
Wants=var.mount config.mount
`,
  "etc/systemd/system/multi-user.target.d/paddock.conf": `[Unit]
Wants=paddock-gateway.service paddock-coldplug.service paddock-little-memory.service
`,
  // Drivers are loaded by then, and disks are found without udev: names for networks are what a start waits for.
  "etc/systemd/system/systemd-udev-trigger.service.d/paddock.conf": `[Service]
ExecStart=
ExecStart=-/usr/bin/udevadm trigger --action=add --prioritized-subsystem=net --subsystem-match=net --subsystem-match=usb --subsystem-match=mmc --subsystem-match=sdio
`,
  // For who owns the machine's firmware, and for tests: systemd.unit=paddock-console.target on the command line.
  "etc/systemd/system/paddock-console.target": `[Unit]
Description=Paddock, with a shell on the console
Wants=paddock-console.service multi-user.target
AllowIsolate=yes
`,
  "etc/systemd/system/paddock-console.service": `[Unit]
Description=Paddock: a shell on the console
DefaultDependencies=no
[Service]
ExecStart=/bin/sh
Environment=PS1= PATH=/usr/bin:/usr/sbin
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
Restart=always
`,
  // systemd's own asks sulogin for a password, and there is none.
  "etc/systemd/system/emergency.service": `[Unit]
Description=Paddock: a shell for repair
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStartPre=-/bin/sh -c 'echo "paddock: this start went no further; systemctl --failed says why. This is a shell for repair; reboot -f starts again."'
ExecStart=-/bin/sh
Environment=PATH=/usr/bin:/usr/sbin
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
Restart=always
`,
  "etc/systemd/system/paddock-coldplug.service": `[Unit]
Description=Paddock: every other device
After=paddock-gateway.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/bin/udevadm trigger --type=all --action=add
`,
  "etc/systemd/system/paddock-provision.service": `[Unit]
Description=Paddock: what the gateway runs with, from the CONFIG partition
DefaultDependencies=no
After=config.mount var.mount
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /usr/lib/paddock/provision.sh
StandardOutput=journal+console
StandardError=journal+console
`,
  "etc/systemd/system/paddock-gateway.service.d/image.conf": `[Unit]
After=local-fs.target paddock-provision.service paddock-nft.service
Wants=paddock-provision.service paddock-nft.service
[Service]
StandardError=journal+console
# Killed and started again when its event loop stands still; a store that has much to read at its opening has the time.
Type=notify
NotifyAccess=all
WatchdogSec=300
WatchdogSignal=SIGKILL
TimeoutStartSec=infinity
# systemd-notify.
Environment=PATH=/usr/bin:/usr/sbin
`,
  // What provision put there stays when the speaker stops.
  "etc/systemd/system/paddock-bfd.service.d/image.conf": `[Unit]
After=paddock-provision.service
ConditionMemory=>=${LITTLE_MEMORY}
[Service]
RuntimeDirectoryPreserve=yes
`,
  "etc/systemd/system/paddock-little-memory.service": `[Unit]
Description=Paddock: what does not fit into the memory
ConditionMemory=<${LITTLE_MEMORY}
[Service]
Type=oneshot
ExecStart=/bin/echo 'paddock: little memory: BFD is not started, receipts alone tell when a path is gone; the gateway is not compiled, and slower'
StandardOutput=journal+console
`,
  // The watchdog starts the machine anew when systemd is silent for so long. A disk that is slow is better than no gateway.
  "etc/systemd/system.conf.d/paddock.conf": `[Manager]
RuntimeWatchdogSec=120
RebootWatchdogSec=120
DefaultDeviceTimeoutSec=300
DefaultTimeoutStartSec=300
`,
} as const;
