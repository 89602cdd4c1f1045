import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

export interface UkiParts {
  /** systemd's EFI stub, which starts the kernel that is put behind it. */
  readonly stub: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly osRelease: string;
  readonly commandLine: string;
  readonly kernelRelease: string;
  /** What is put in front of the name of the objcopy that knows such programs. */
  readonly binutils: string;
}

export interface SigningKey {
  readonly key: string;
  readonly certificate: string;
}

/** Sections start on pages; the stub maps them. */
const PAGE = 0x1000;

/**
 * One EFI program of kernel, command line and initrd, which is signed and counted as one (UAPI.5). Writes `to`; `scratch`
 * takes what is made on the way.
 */
export async function makeUki(parts: UkiParts, scratch: string, to: string, signing?: SigningKey): Promise<void> {
  const texts = { osrel: parts.osRelease, cmdline: `${parts.commandLine}\0`, uname: parts.kernelRelease };
  for (const [name, text] of Object.entries(texts)) await writeFile(join(scratch, name), text);
  const sections = [
    [".osrel", join(scratch, "osrel")],
    [".cmdline", join(scratch, "cmdline")],
    [".uname", join(scratch, "uname")],
    [".initrd", parts.initrd],
    [".linux", parts.kernel],
  ] as const;
  const stub = await readFile(parts.stub);
  let { imageBase, end } = layoutOf(stub);
  const args: string[] = [];
  for (const [name, file] of sections) {
    args.push(
      "--add-section",
      `${name}=${file}`,
      "--change-section-vma",
      `${name}=0x${(imageBase + end).toString(16)}`,
    );
    end = pageUp(end + (await readFile(file)).length);
  }
  await run(`${parts.binutils}objcopy`, [...args, parts.stub, to]);
  await writeFile(to, withoutTime(await readFile(to)));
  if (signing !== undefined) await signEfi(to, signing);
}

/** Signs an EFI program for Secure Boot, in place. */
export async function signEfi(file: string, { key, certificate }: SigningKey): Promise<void> {
  await run("sbsign", ["--key", key, "--cert", certificate, "--output", file, file]);
}

/** Where the last section of a PE program ends, behind the base of the image (Microsoft's PE format, 64 bits). */
function layoutOf(program: Buffer): { imageBase: number; end: number } {
  const header = program.readUInt32LE(0x3c);
  const count = program.readUInt16LE(header + 6);
  const optional = header + 24;
  const imageBase = Number(program.readBigUInt64LE(optional + 24));
  const table = optional + program.readUInt16LE(header + 20);
  let end = 0;
  for (let index = 0; index < count; index++) {
    const section = table + index * 40;
    end = Math.max(end, program.readUInt32LE(section + 8) + program.readUInt32LE(section + 12));
  }
  return { imageBase, end: pageUp(end) };
}

/**
 * objcopy writes the time of day into the header, whatever SOURCE_DATE_EPOCH says, and a sum over all that; firmware looks
 * at neither, and signatures leave the sum out.
 */
function withoutTime(program: Buffer): Buffer {
  const header = program.readUInt32LE(0x3c);
  program.writeUInt32LE(0, header + 8);
  program.writeUInt32LE(0, header + 24 + 64);
  return program;
}

function pageUp(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}
