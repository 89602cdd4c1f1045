const RESET = "/usr/bin/node /opt/paddock/paddock-gateway.mjs factory-reset";
const DATA = "/run/paddock-boot/data";

/**
 * A factory reset, when CONFIG asks for it: before the data is mounted, its whole partition is overwritten and formatted anew
 * (docs/decisions/0050-factory-reset.md). The request goes last, so that a start that was cut off does it again.
 */
export const RESET_TEXT: Readonly<Record<string, string>> = {
  "etc/systemd/system/paddock-factory-reset.service": `[Unit]
Description=Paddock: erases everything that this gateway was
DefaultDependencies=no
RequiresMountsFor=/config
After=paddock-data.service
Wants=paddock-data.service
Before=var.mount local-fs.target
# Windows adds .txt to names, and does not show it.
ConditionPathExistsGlob=/config/factory-reset*
[Service]
Type=oneshot
ExecStart=${RESET} --erase ${DATA}
ExecStart=/usr/sbin/mkfs.ext4 -q -F -L data ${DATA}
ExecStart=${RESET} --clear-config
TimeoutStartSec=infinity
StandardOutput=journal+console
StandardError=journal+console
`,
  "etc/systemd/system/local-fs.target.d/factory-reset.conf": `[Unit]
Wants=paddock-factory-reset.service
`,
};
