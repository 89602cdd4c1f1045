import { basename } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import { readTable, TABLE_BYTES, type PartitionTable } from "@paddock/wire/gpt.ts";
import { ARCHITECTURES, architectureNamed } from "../image/architectures.ts";
import { guidText } from "../image/fixed-ids.ts";
import type { DiskFile } from "./disk-file.ts";

/** Which machine an image is for, by its name and by its partitions: what is flashed for another one never starts. */

const NAME = /^paddock_(?<version>\d[^_]*)_(?<board>.+)\.raw(?:\.(?:xz|zst|gz))?$/u;

/**
 * Version and board of an image's name, such as x86-64 or arm64; "unknown" where it says nothing. Throws IMAGE_INVALID for one
 * that is for another board than the one wanted, which may be called as Debian, Node or `uname -m` do.
 */
export function releaseOf(image: string, board?: string): { readonly version: string; readonly board: string } {
  const found = NAME.exec(basename(image))?.groups;
  if (board !== undefined && (found === undefined || ownName(found["board"]!) !== ownName(board))) {
    throw new PaddockError(
      "IMAGE_INVALID",
      `${basename(image)} is not an image for ${board}${found === undefined ? "" : `, but for ${found["board"]}`}.`,
      { remedy: "Take the image for your board: paddock_VERSION_BOARD.raw." },
    );
  }
  return {
    version: found?.["version"] ?? "unknown",
    board: found === undefined ? "unknown" : ownName(found["board"]!),
  };
}

function ownName(board: string): string {
  return architectureNamed(board)?.name ?? board;
}

/** The architecture that a table has a root partition for; undefined when it has none that is known. */
function architectureIn({ partitions }: PartitionTable): string | undefined {
  const types = new Set(partitions.map(({ entry }) => guidText(entry.subarray(0, 16)).toUpperCase()));
  return Object.values(ARCHITECTURES).find(({ partitionTypes }) => types.has(partitionTypes.root))?.name;
}

/**
 * Throws IMAGE_INVALID when the partitions of an image are for another machine than its name says. `head` is its beginning.
 * What has no table is for whoever writes it to refuse.
 */
export function assertBoard(head: Uint8Array, board: string): void {
  const table = readTable(head);
  const found = table.ok ? architectureIn(table.value) : undefined;
  if (found === undefined || ARCHITECTURES[board as keyof typeof ARCHITECTURES] === undefined || found === board)
    return;
  throw new PaddockError("IMAGE_INVALID", `The image is named as one for ${board}, and its root is for ${found}.`, {
    remedy: "Take it from its makers again; do not rename images.",
  });
}

/**
 * Throws DEVICE_REFUSED when a disk whose data is to be kept comes from another kind of machine than the image is for.
 */
export async function assertSameBoard(disk: DiskFile, board: string): Promise<void> {
  const table = readTable(await disk.read(0, TABLE_BYTES));
  const found = table.ok ? architectureIn(table.value) : undefined;
  if (found === undefined || board === "unknown" || found === board) return;
  throw new PaddockError(
    "DEVICE_REFUSED",
    `${disk.path} holds a gateway for ${found}, and the image is for ${board}.`,
    {
      remedy: "Nothing was written. Take the image for that gateway, or flash without --keep-data.",
    },
  );
}
