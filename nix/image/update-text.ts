import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { BOARD } from "./update.ts";

const UPDATE = "/usr/bin/node /opt/paddock/paddock-gateway.mjs update";
const STATE = "/var/lib/paddock-update";
const REQUEST = "/var/lib/paddock/update-request.json";

/** What they may do is in nix/lib/image.nix. */
const ON_CONSOLE = `StandardOutput=journal+console
StandardError=journal+console
`;

/**
 * What an image needs to be updated: units, the board's name, and the public half of the key that signs releases (a PEM
 * file with the private one), without which it takes no update.
 */
export async function updateText(key: string | undefined): Promise<Readonly<Record<string, string>>> {
  if (key === undefined) return UNITS;
  const publicKey = createPublicKey(createPrivateKey(await readFile(key)));
  return { ...UNITS, "etc/paddock/release.pub.pem": publicKey.export({ type: "spki", format: "pem" }).toString() };
}

const UNITS = {
  "etc/paddock/board": `${BOARD}\n`,
  // Nothing is pending at most starts, and then nothing runs.
  "etc/systemd/system/paddock-update-gate.service": `[Unit]
Description=Paddock: judges a new release after its start
ConditionPathExists=${STATE}/pending
RequiresMountsFor=/efi ${STATE}
After=paddock-gateway.service
Before=boot-complete.target
# The release is given up: the next start is the other one's.
FailureAction=reboot
[Service]
Type=oneshot
ExecStart=${UPDATE} gate
TimeoutStartSec=20min
${ON_CONSOLE}`,
  "etc/systemd/system/boot-complete.target.d/paddock.conf": `[Unit]
Requires=paddock-update-gate.service
After=paddock-update-gate.service
`,
  "etc/systemd/system/paddock-update-leaving.service": `[Unit]
Description=Paddock: notes before a new release starts what the old one got
RequiresMountsFor=${STATE}
After=paddock-gateway.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStop=/bin/sh -c '[ ! -e ${STATE}/pending ] || exec ${UPDATE} gate --leaving'
# An emulated machine that is busy took 34 s to start the command alone; what it notes saves a good release.
TimeoutStopSec=3min
${ON_CONSOLE}`,
  "etc/systemd/system/paddock-update.service": `[Unit]
Description=Paddock: installs the release that the gateway asks for
ConditionPathExists=${REQUEST}
RequiresMountsFor=/efi ${STATE}
After=paddock-update-gate.service
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=${UPDATE} apply --request ${REQUEST} --reboot
# But for 3, the next attempt would end like this one; what is there already is not fetched again.
Restart=on-failure
RestartPreventExitStatus=1 2
RestartSec=120
# Readings come first.
Nice=10
CPUWeight=20
IOSchedulingClass=idle
${ON_CONSOLE}`,
  "etc/systemd/system/paddock-update.path": `[Unit]
Description=Paddock: looks for what the gateway asks to install
[Path]
PathChanged=${REQUEST}
`,
  // What was cut off by a loss of power goes on.
  "etc/systemd/system/paddock-update.timer": `[Unit]
Description=Paddock: goes on with an update after a start
[Timer]
OnBootSec=3min
`,
  "etc/systemd/system/multi-user.target.d/update.conf": `[Unit]
Wants=paddock-update-gate.service paddock-update-leaving.service paddock-update.path paddock-update.timer
`,
} as const;
