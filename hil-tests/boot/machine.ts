import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, type WriteStream } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { stripVTControlCharacters } from "node:util";
import type { Namespace } from "../lab/namespaces.ts";
import type { DirectStart } from "./direct-start.ts";
import { EMULATORS, type Emulator } from "./emulators.ts";

export interface MachineOptions {
  /** What its processor is; default: x86-64. */
  readonly architecture?: keyof typeof EMULATORS;
  /** Where its taps are; the emulator runs in it. */
  readonly namespace: Namespace;
  /** The disk, which is written to. */
  readonly disk: string;
  /** File with the variables of the firmware; made at the first start, and kept. */
  readonly variables: string;
  /** Taps of the namespace that its network cards hang on, with the cards' addresses. */
  readonly cards: readonly { readonly tap: string; readonly mac: string }[];
  /** File that everything is added to which the console says. */
  readonly consoleLog: string;
  /** Default 512. */
  readonly memoryMiB?: number;
  /** Put behind the kernel's command line by the boot stub. */
  readonly kernelArguments?: string;
  /** Starts these in place of what the disk has for UEFI firmware, as the loader of a small board does; x86-64 alone. */
  readonly direct?: DirectStart;
  /** Begin of the real-time clock, as qemu takes it; default: now. */
  readonly clock?: string;
  /** Whether there is a watchdog (Intel 6300ESB) that resets the machine. */
  readonly watchdog?: boolean;
  /** Socket of an emulated TPM 2.0 (`EmulatedTpm.forMachine`). */
  readonly tpm?: string;
  /** Whether a reset ends the machine instead of starting it again. */
  readonly endAtReset?: boolean;
  /** File that gets every write and flush of the disk, for what a cut of the power loses; the disk has a cache then. */
  readonly writeLog?: string;
  /** Further arguments of the emulator. */
  readonly more?: readonly string[];
}

/** Argument of the kernel with which everything starts as always, and a shell on the console. */
export const CONSOLE = "systemd.unit=paddock-console.target";

/** Commands that are needed to run a machine, but for its emulator. */
export const MACHINE_COMMANDS = ["mcopy", "sfdisk", "radvd"] as const;
/** What the boot stub takes from the firmware and puts behind the command line, unless the machine is locked down. */
const COMMAND_LINE_EXTRA = "io.systemd.stub.kernel-cmdline-extra";
const MEMORY_MIB = 512;
/** Emulating a processor takes as much of one as it gets; other work on this machine comes first. */
const NICE = "10";

/**
 * A machine with UEFI, emulated by qemu's own translator: hardware help differs between machines and fails on some. Its
 * serial console is text to wait for. Ends with the process that started it.
 */
export class Machine {
  readonly startedAtMs = Date.now();
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #consoleLog: WriteStream;
  #text = "";
  #commands = 0;
  #wakers = new Set<() => void>();

  private constructor(child: ChildProcess, consoleLog: string) {
    this.#child = child;
    this.#consoleLog = createWriteStream(consoleLog, { flags: "a" });
    this.#exited = once(child, "exit");
    child.once("exit", () => this.#wake());
    child.once("close", () => this.#consoleLog.end());
    for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (bytes: Buffer) => this.#take(bytes));
  }

  static async start(options: MachineOptions): Promise<Machine> {
    const { command, variables } = emulatorOf(options);
    if (!existsSync(options.variables)) await copyFile(variables, options.variables);
    if (options.writeLog !== undefined) await writeFile(options.writeLog, "");
    const args = ["-n", NICE, command, ...emulatorArguments(options)];
    const child = options.namespace.spawn("nice", args, { stdio: ["pipe", "pipe", "pipe"] });
    await once(child, "spawn");
    return new Machine(child, options.consoleLog);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything that the console said so far, without what only moves a cursor. */
  get text(): string {
    return this.#text;
  }

  /**
   * Resolves with the first match of `pattern` behind the first `from` characters, and with where in the text it ends.
   * Rejects with the last lines when it does not come within the limit, or when the machine ends before.
   */
  async waitFor(pattern: RegExp, limitMs: number, from = 0): Promise<{ match: RegExpExecArray; end: number }> {
    const endMs = Date.now() + limitMs;
    for (;;) {
      const match = pattern.exec(this.#text.slice(from));
      if (match !== null) return { match, end: from + match.index + match[0].length };
      const leftMs = endMs - Date.now();
      if (leftMs <= 0 || !this.running) {
        const why = this.running ? `not within ${limitMs} ms` : "the machine ended before";
        throw new Error(`${String(pattern)}: ${why}; the console's last words:\n${this.#text.slice(-3000)}`);
      }
      await this.#change(leftMs);
    }
  }

  /** Types on the serial console. */
  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /**
   * Runs a command in the shell of a machine that was started with CONSOLE. Resolves with what it says on the console, and
   * what others say there at that time. Rejects when it fails, or after the limit.
   */
  async shell(command: string, limitMs: number): Promise<string> {
    const mark = `said-${++this.#commands}`;
    const from = this.text.length;
    // Not as it is typed, which the terminal echoes.
    this.type(`${command}; echo "${mark}"-$?\n`);
    const { match, end } = await this.waitFor(new RegExp(`${mark}-(\\d+)`, "u"), limitMs, from);
    const said = this.text.slice(from, end);
    if (match[1] !== "0") throw new Error(`${command} ended with ${match[1]}:\n${said}`);
    return said;
  }

  /** Resolves when the machine ends by itself: power off, or a reset with `endAtReset`. Rejects after the limit. */
  async ended(limitMs: number): Promise<void> {
    const endMs = Date.now() + limitMs;
    while (this.running) {
      if (Date.now() >= endMs)
        throw new Error(`the machine did not end within ${limitMs} ms:\n${this.#text.slice(-3000)}`);
      await this.#change(endMs - Date.now());
    }
  }

  /** No more power, now. What the disk had answered for is on it. */
  async cutPower(): Promise<void> {
    if (this.running) this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #take(bytes: Buffer): void {
    const text = stripVTControlCharacters(bytes.toString("utf8")).replaceAll("\r", "");
    this.#text += text;
    this.#consoleLog.write(text);
    this.#wake();
  }

  #wake(): void {
    for (const waker of this.#wakers) waker();
    this.#wakers.clear();
  }

  /** Resolves when the console says more, when the machine ends, or after `limitMs`. */
  async #change(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakers.add(resolve);
    const timer = setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
    this.#wakers.delete(resolve);
  }
}

function emulatorOf({ architecture = "x86-64" }: MachineOptions): Emulator {
  return EMULATORS[architecture];
}

function emulatorArguments(options: MachineOptions): string[] {
  const { disk, cards, memoryMiB = MEMORY_MIB, clock, watchdog, tpm, endAtReset } = options;
  const { machine } = emulatorOf(options);
  const args = ["-accel", "tcg,thread=multi", ...machine, "-m", String(memoryMiB), "-nodefaults"];
  args.push("-display", "none", "-serial", "stdio", "-device", "virtio-rng-pci");
  args.push(...loaderArguments(options), ...diskArguments(disk, options.writeLog));
  for (const { tap, mac } of cards) {
    args.push("-netdev", `tap,id=${tap},ifname=${tap},script=no,downscript=no`);
    args.push("-device", `virtio-net-pci,netdev=${tap},mac=${mac},romfile=`);
  }
  if (clock !== undefined) args.push("-rtc", `base=${clock}`);
  // Whichever of the two the system takes; that of the chipset is tied off unless this is said.
  if (watchdog === true)
    args.push("-device", "i6300esb", "-action", "watchdog=reset", "-global", "ICH9-LPC.noreboot=false");
  if (tpm !== undefined)
    args.push(
      "-chardev",
      `socket,id=tpm,path=${tpm}`,
      "-tpmdev",
      "emulator,id=tpm,chardev=tpm",
      "-device",
      "tpm-crb,tpmdev=tpm",
    );
  if (endAtReset === true) args.push("-no-reboot");
  return [...args, ...(options.more ?? [])];
}

function loaderArguments(options: MachineOptions): string[] {
  const { variables, direct, kernelArguments } = options;
  if (direct !== undefined) {
    const commandLine = [direct.commandLine, kernelArguments ?? ""].join(" ").trim();
    return ["-kernel", direct.kernel, "-initrd", direct.initrd, "-append", commandLine];
  }
  const args = ["-drive", `if=pflash,format=raw,unit=0,readonly=on,file=${emulatorOf(options).firmware}`];
  args.push("-drive", `if=pflash,format=raw,unit=1,file=${variables}`);
  if (kernelArguments !== undefined)
    args.push("-smbios", `type=11,value=${COMMAND_LINE_EXTRA}=${kernelArguments.replaceAll(",", ",,")}`);
  return args;
}

function diskArguments(disk: string, writeLog: string | undefined): string[] {
  const device = "virtio-blk-pci,drive=disk,bootindex=1";
  // Each write is on the host's disk before the guest hears of it: what a power cut leaves is what was answered for.
  if (writeLog === undefined)
    return ["-drive", `file=${disk},format=raw,if=none,id=disk,cache=writethrough`, "-device", device];
  const nodes = [
    `driver=file,node-name=kept,filename=${disk}`,
    `driver=file,node-name=log,filename=${writeLog}`,
    "driver=blklogwrites,node-name=disk,file=kept,log=log",
  ];
  return [...nodes.flatMap((node) => ["-blockdev", node]), "-device", `${device},write-cache=on`];
}
