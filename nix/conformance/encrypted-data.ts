import { judgeHead } from "@paddock/wire/key-slot.ts";
import type { Seen } from "./controls.ts";
import type { Evidence } from "./evidence.ts";

/** AES-256 in XTS mode behind the key slots, with both halves of its key (decision 0055). */
const CRYPT_TABLE = /^0 \d+ crypt aes-xts-plain64 (?<key>[0-9a-f]{128}) 0 \S+ 2048 /u;

/** Whether an image encrypts what it keeps, by a key of each device's own. */
export function encryptedData({ root, dataTables }: Evidence): Seen {
  const text = (path: string): string => root.get(path)?.text ?? "";
  const partition = text("etc/repart.d/50-data.conf");
  const head = judgeHead(Buffer.from(text("usr/lib/paddock/data-head"), "latin1"));
  const keys = (dataTables ?? []).map((table) => CRYPT_TABLE.exec(table)?.groups?.["key"]);
  const facts: readonly (readonly [isAsItHasToBe: boolean, problem: string])[] = [
    [
      partition.includes("\nCopyBlocks=/usr/lib/paddock/data-head\n") && !partition.includes("\nFormat="),
      "a new data partition does not begin with a key slot",
    ],
    [head.kind === "slot" && head.slot.keeper === "none", "/usr/lib/paddock/data-head is no empty key slot"],
    [text("etc/systemd/system/var.mount").includes("\nWhat=/run/paddock-boot/var\n"), "/var is not what is decrypted"],
    [
      text("etc/systemd/system/paddock-open-data.service").includes(
        "\nExecStart=/bin/sh /usr/lib/paddock/open-data.sh\n",
      ),
      "no unit opens the data partition",
    ],
    [[...root.keys()].some((path) => /\/dm[-_]crypt\.ko$/u.test(path)), "the kernel has no dm-crypt"],
    [
      keys.length > 1 && keys.every((key) => key !== undefined) && new Set(keys).size === keys.length,
      "the image's program does not encrypt each partition by a key of its own",
    ],
  ];
  return {
    evidence:
      `${keys.length} data partitions that the image's own program made, each AES-256-XTS by another random key, which a TPM 2.0 ` +
      "keeps. On hardware without one the key lies on the same disk: that makes a reset certain, and hides nothing from who takes the disk",
    problems: facts.flatMap(([isAsItHasToBe, problem]) => (isAsItHasToBe ? [] : [problem])),
  };
}
