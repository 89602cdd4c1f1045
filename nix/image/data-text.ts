import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeHead } from "@paddock/wire/key-slot.ts";

/** The data partition as it lies on the disk; init.sh or paddock-data.service makes the link. */
export const DATA_PARTITION = "/run/paddock-boot/data";
/** Opens it, and links what /var is mounted from. */
export const OPEN_UNIT = "paddock-open-data.service";

const OPEN = "usr/lib/paddock/open-data.sh";
const HEAD = "usr/lib/paddock/data-head";

/** The encrypted data partition (docs/decisions/0055-encrypted-data.md). */
export const DATA_TEXT: Readonly<Record<string, string>> = {
  // A partition that is added begins with key slots without a key, whatever an older install left there; it is in the table
  // only once they are on the disk.
  "etc/repart.d/50-data.conf": `[Partition]
Type=linux-generic
Label=data
CopyBlocks=/${HEAD}
SizeMinBytes=64M
`,
  [HEAD]: encodeHead({ keeper: "none" }).toString("latin1"),
  [OPEN]: readFileSync(join(import.meta.dirname, "open-data.sh"), "utf8"),
  [`etc/systemd/system/${OPEN_UNIT}`]: `[Unit]
Description=Paddock: opens the data partition
DefaultDependencies=no
Requires=paddock-data.service
After=paddock-data.service
Before=var.mount local-fs.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /${OPEN}
StandardOutput=journal+console
StandardError=journal+console
`,
};
