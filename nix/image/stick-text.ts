/** Kept free of characters that systemd writes otherwise in the names of mounts. */
const STICK = "/run/stick";
const LINK = "paddock-stick";
const STATE = "/var/lib/paddock-update";

/**
 * What stands in for a login, which an image does not have: a USB stick with the name PADDOCK brings a release, or takes one
 * back (docs/decisions/0054-a-stick-instead-of-a-login.md). systemd mounts it, so that what reads it need not be able to; what that
 * may do is in nix/lib/image.nix.
 */
export const STICK_TEXT: Readonly<Record<string, string>> = {
  "etc/udev/rules.d/90-paddock-stick.rules": `ACTION!="remove", SUBSYSTEM=="block", SUBSYSTEMS=="usb", ENV{ID_FS_LABEL}=="PADDOCK", SYMLINK+="${LINK}", TAG+="systemd", ENV{SYSTEMD_WANTS}+="paddock-stick.service"
`,
  // There for as long as it is read: it can be pulled before and afterwards without harm, and meanwhile costs the attempt.
  "etc/systemd/system/run-stick.mount": `[Unit]
Description=Paddock: the stick, which nothing is written to
StopWhenUnneeded=yes
[Mount]
What=/dev/${LINK}
Where=${STICK}
Type=vfat
Options=ro,nosuid,nodev,noexec,umask=0077,tz=UTC
LazyUnmount=yes
`,
  // Wants and not Requires: whoever pulls the stick is told so, which a service that was stopped could not.
  "etc/systemd/system/paddock-stick.service": `[Unit]
Description=Paddock: does what a stick asks for
Wants=run-stick.mount
After=run-stick.mount paddock-update-gate.service paddock-gateway.service
RequiresMountsFor=/efi ${STATE}
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/usr/bin/node /opt/paddock/paddock-gateway.mjs update stick --folder ${STICK} --reboot
TimeoutStartSec=1h
# Readings come first.
Nice=10
CPUWeight=20
IOSchedulingClass=idle
StandardOutput=journal+console
StandardError=journal+console
`,
};
