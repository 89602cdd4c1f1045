import { isVersion } from "@paddock/wire/release/version.ts";

/** A release as the boot loader sees it: `paddock_VERSION[+LEFT[-DONE]].efi` (UAPI.1, boot counting). */
export interface BootEntry {
  readonly file: string;
  readonly version: string;
  /** Starts that are left; null once it is confirmed. 0: the boot loader takes any other one first. */
  readonly triesLeft: number | null;
}

/** Starts that a new release gets before the boot loader takes the other one. */
const BOOT_TRIES = 3;

/** The entries among the names of files. */
export function bootEntries(files: readonly { readonly name: string }[]): BootEntry[] {
  return files.flatMap(({ name }): BootEntry[] => {
    const match = /^paddock_([^+_]+)(?:\+(\d{1,9})(?:-\d{1,9})?)?\.efi$/.exec(name);
    if (match === null || !isVersion(match[1]!)) return [];
    return [{ file: name, version: match[1]!, triesLeft: match[2] === undefined ? null : Number(match[2]) }];
  });
}

/** Where a program is while it is written: no boot loader takes it for one. */
export function partialFile(version: string): string {
  return `paddock_${version}.efi.part`;
}

export function newEntryFile(version: string): string {
  return `paddock_${version}+${BOOT_TRIES}.efi`;
}

/** The name of an entry that the boot loader takes only when there is no other. */
export function badEntryFile(version: string): string {
  return `paddock_${version}+0-1.efi`;
}

/** The entry that would start if `version` could not; undefined when there is none. */
export function otherEntry(entries: readonly BootEntry[], version: string): BootEntry | undefined {
  return entries.find((entry) => entry.version !== version && entry.triesLeft !== 0);
}

/** Files that belong to a release other than `running`, or to one that was never finished: they make room for the next. */
export function otherPrograms<File extends { readonly name: string }>(files: readonly File[], running: string): File[] {
  return files.filter((file) => {
    if (!file.name.startsWith("paddock_")) return false;
    return !bootEntries([file]).some(({ version }) => version === running);
  });
}

/** Whether the running release is not confirmed, and another one could be gone back to. */
export function isOnTrial(entries: readonly BootEntry[], running: string): boolean {
  const own = entries.find(({ version }) => version === running);
  return own?.triesLeft !== null && otherEntry(entries, running) !== undefined;
}
