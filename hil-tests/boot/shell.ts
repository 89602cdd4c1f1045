import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { eventually } from "../lab/namespaces.ts";
import { CONSOLE, type Machine, type MachineOptions } from "./machine.ts";

/** How long a command may take by default: an emulated machine starts Node in some ten seconds, and a busy host is slower. */
const COMMAND_LIMIT_MS = 600_000;
const CONSOLE_LIMIT_MS = 900_000;
/** Until a console that said nothing is asked again: it may not have been there yet. */
const ANSWER_MS = 15_000;

/**
 * Once a start: two shells would each get a part of what is typed. What the system says goes to the console alone. Without
 * +m a shell in the background stops itself, as the terminal that it controls jobs of is the console.
 */
const SECOND_SHELL = "[ -e /run/boot-test ] || { : >/run/boot-test; sh +m </dev/ttyS1 >/dev/ttyS1 2>&1 & }";

/** How often a console was asked whether it answers. */
let asked = 0;

export interface ShellAnswer {
  readonly code: number;
  /** Both outputs. */
  readonly text: string;
}

/**
 * A shell as root on a second serial port, started from the one that an image has on its console when the firmware's owner
 * asks for it.
 */
export class Shell {
  readonly #socket: Socket;
  #text = "";
  #count = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => (this.#text += bytes.toString("utf8")));
    // The machine's power was cut: whoever waits for an answer hears of it by its limit, or has heard already.
    socket.on("error", () => {});
  }

  /** What a machine needs for it; sockets are made in `directory`. */
  static machine(directory: string): Pick<MachineOptions, "kernelArguments" | "more"> {
    return {
      kernelArguments: CONSOLE,
      more: [
        "-chardev",
        `socket,id=shell,path=${join(directory, "shell.sock")},server=on,wait=off`,
        "-device",
        "isa-serial,chardev=shell",
      ],
    };
  }

  /** Opens it on a machine that has started with `Shell.machine`. */
  static async open(machine: Machine, directory: string): Promise<Shell> {
    await consoleAnswers(machine);
    const socket = createConnection(join(directory, "shell.sock"));
    await once(socket, "connect");
    const shell = new Shell(socket);
    machine.type(`${SECOND_SHELL}\n`);
    await shell.run("stty -echo -onlcr");
    return shell;
  }

  /** Runs a command, and resolves with what it said and its exit code. Rejects when it does not end within the limit. */
  async run(command: string, limitMs = COMMAND_LIMIT_MS): Promise<ShellAnswer> {
    const number = ++this.#count;
    const from = this.#text.length;
    // The words of the end are written apart, so that an echo of the command does not look like it.
    this.#socket.write(`\n${command}\necho "@@""${number} $?"\n`);
    const end = new RegExp(`@@${number} (\\d+)\\r?\\n`, "u");
    const match = await eventually(
      `the end of ${command}`,
      () => end.exec(this.#text.slice(from)) ?? undefined,
      limitMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; the shell's last words: ${this.#text.slice(-1000)}`, { cause: error });
    });
    const text = this.#text.slice(from, from + match.index).replaceAll(/^(?:[#$] )+/gmu, "");
    return { code: Number(match[1]), text: text.trim() };
  }

  /** Starts a command that nobody waits for the end of; the machine may not be there any more then. */
  async start(command: string): Promise<void> {
    await this.run(`(${command}) >/run/boot-test-started 2>&1 &`);
  }

  /** The object that `paddock gateway WORDS --json` printed. Throws with what it said instead. */
  async json<Value>(words: string): Promise<Value> {
    const { text } = await this.run(`paddock gateway ${words} --json`);
    const at = text.indexOf("{");
    if (at < 0) throw new Error(`${words}: ${text}`);
    return JSON.parse(text.slice(at)) as Value;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Resolves once the shell on the console does what is typed. */
async function consoleAnswers(machine: Machine): Promise<void> {
  const endMs = Date.now() + CONSOLE_LIMIT_MS;
  for (;;) {
    const number = ++asked;
    const from = machine.text.length;
    machine.type(`\necho "@@""console ${number}"\n`);
    try {
      await machine.waitFor(new RegExp(`@@console ${number}\n`, "u"), ANSWER_MS, from);
      return;
    } catch (error) {
      if (Date.now() > endMs || !machine.running) throw error;
    }
  }
}
