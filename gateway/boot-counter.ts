import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@paddock/base/durable-file.ts";

/** The kernel's random id of this boot. */
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

export interface BootState {
  readonly bootId: string;
  /** Boots of this machine so far, from 1. */
  readonly count: number;
}

/**
 * Counts the boots of the machine: one more whenever the kernel's boot id is not the one of last time. `atLeast` is the
 * highest count that is known from elsewhere (the stored chains), so that a lost file does not make the count go back.
 */
export async function countBoot(
  dataDir: string,
  options: { readonly bootIdFile?: string; readonly atLeast?: number } = {},
): Promise<BootState> {
  const bootId = (await readFile(options.bootIdFile ?? BOOT_ID_FILE, "utf8")).trim();
  const path = join(dataDir, "boot.json");
  const known = await readBootState(path);
  const atLeast = options.atLeast ?? 0;
  if (known !== undefined && known.bootId === bootId && known.count >= atLeast) return known;
  const state = { bootId, count: Math.max(known?.count ?? 0, atLeast) + 1 };
  await replaceFile(path, `${JSON.stringify(state)}\n`, 0o600);
  return state;
}

/** A damaged file counts as none: the chains and `atLeast` still bound the count from below. */
async function readBootState(path: string): Promise<BootState | undefined> {
  try {
    const state = JSON.parse(await readFile(path, "utf8")) as Partial<BootState>;
    if (typeof state.bootId === "string" && Number.isSafeInteger(state.count)) return state as BootState;
  } catch {
    // Missing or damaged.
  }
  return undefined;
}
