import { DATA_PARTITION, OPEN_UNIT } from "./data-text.ts";

const RESET = "/usr/bin/node /opt/paddock/paddock-gateway.mjs factory-reset";

/**
 * A factory reset, when CONFIG asks for it: before the data partition is opened its key is destroyed, and what follows makes it
 * anew (docs/decisions/0055-encrypted-data.md). The request goes last, so that a start that was cut off does it again.
 */
export const RESET_TEXT: Readonly<Record<string, string>> = {
  "etc/systemd/system/paddock-factory-reset.service": `[Unit]
Description=Paddock: erases everything that this gateway was
DefaultDependencies=no
RequiresMountsFor=/config
Requires=paddock-data.service
After=paddock-data.service
Before=${OPEN_UNIT} local-fs.target
# Windows adds .txt to names, and does not show it.
ConditionPathExistsGlob=/config/factory-reset*
[Service]
Type=oneshot
ExecStart=${RESET} --erase ${DATA_PARTITION}
ExecStart=${RESET} --clear-config
TimeoutStartSec=infinity
StandardOutput=journal+console
StandardError=journal+console
`,
  "etc/systemd/system/local-fs.target.d/factory-reset.conf": `[Unit]
Wants=paddock-factory-reset.service
`,
};
