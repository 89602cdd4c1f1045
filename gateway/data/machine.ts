import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { print } from "@paddock/base/printable.ts";
import { erase } from "../reset/erase.ts";
import { destroyData } from "./destroy-key.ts";
import { discard, formatData, mapData, unmapData } from "./device-mapper.ts";
import { openData, type KeyKeeper } from "./open-data.ts";
import { PartitionFile } from "./partition-file.ts";
import { TPM_DEVICE, withTpm } from "./tpm.ts";

/** By this table firmware says that there is a TPM, whose driver may need a moment. */
const TPM_ANNOUNCED = "/sys/firmware/acpi/tables/TPM2";
const TPM_LIMIT_MS = 15_000;
const TPM_EVERY_MS = 100;

/** Opens the data partition of this machine (`openData`). Throws DATA_LOCKED. */
export async function openOnMachine(path: string): Promise<void> {
  const partition = await PartitionFile.open(path, "DATA_LOCKED");
  try {
    await openData({
      path,
      bytes: partition.bytes,
      head: () => partition.head(),
      write: (bytes, at) => partition.write(bytes, at),
      tpm,
      random: randomBytes,
      map: mapData,
      unmap: unmapData,
      format: formatData,
      tell: print,
    });
  } finally {
    await partition.close();
  }
}

/** Makes what the partition holds unreadable (`destroyData`). Throws RESET_FAILED. */
export async function destroyOnMachine(path: string): Promise<"key" | "all"> {
  const partition = await PartitionFile.open(path, "RESET_FAILED");
  try {
    return await destroyData({
      path,
      head: () => partition.headOnDisk(),
      write: (bytes, at) => partition.write(bytes, at),
      clearTpm: () => withTpm(TPM_DEVICE, (one) => one.clear()),
      discard: () => discard(path),
      eraseAll: async () => {
        print(`factory reset: ${path} reads as zeros, ${await erase(path, print)} bytes`);
      },
      tell: print,
    });
  } finally {
    await partition.close();
  }
}

async function tpm(expected: boolean): Promise<KeyKeeper | undefined> {
  const endMs = Date.now() + TPM_LIMIT_MS;
  while (!existsSync(TPM_DEVICE)) {
    if (Date.now() > endMs || !(expected || existsSync(TPM_ANNOUNCED))) return undefined;
    await delay(TPM_EVERY_MS);
  }
  return {
    seal: (key) => withTpm(TPM_DEVICE, (one) => one.seal(key)),
    unseal: (sealed) => withTpm(TPM_DEVICE, (one) => one.unseal(sealed)),
  };
}
