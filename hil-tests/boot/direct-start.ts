import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Disk } from "./disk.ts";

/** What a machine without UEFI starts: its loader knows where these lie. */
export interface DirectStart {
  /** Files. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

/** Takes the program of the one release of a disk apart, into files whose names begin with the disk's. */
export async function directStart(disk: Disk): Promise<DirectStart> {
  const [name] = await disk.list("esp", "EFI/Linux");
  const program = `${disk.path}.uki`;
  writeFileSync(program, await disk.read("esp", `EFI/Linux/${name}`));
  const section = (of: string): string => {
    const file = `${disk.path}.${of}`;
    execFileSync("objcopy", ["--output-target=binary", `--only-section=.${of}`, program, file]);
    return file;
  };
  const commandLine = readFileSync(section("cmdline"), "latin1").split("\0", 1)[0]!;
  return { kernel: section("linux"), initrd: section("initrd"), commandLine };
}
