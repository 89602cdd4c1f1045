import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { eventually } from "../namespaces.ts";

const START_LIMIT_MS = 60_000;
const ANSWER_LENGTH_BYTES = 6;
/** TPM2_GetRandom, one byte. */
const GET_RANDOM = Buffer.from("80010000000c0000017b0001", "hex");

/** A TPM 2.0 as swtpm emulates it. What it knows stays in its folder from start to start. */
export class EmulatedTpm {
  /** Where it takes commands. */
  readonly socket: string;
  readonly #child: ChildProcess;

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket;
    this.#child = child;
  }

  /** For an emulated machine, which controls it; it ends with the machine. */
  static forMachine(folder: string): Promise<EmulatedTpm> {
    return EmulatedTpm.#start(folder, (path) => ["--ctrl", `type=unixio,path=${path}`, "--terminate"]);
  }

  /** For commands sent by `transmit`. */
  static async forCommands(folder: string): Promise<EmulatedTpm> {
    const tpm = await EmulatedTpm.#start(folder, (path) => [
      "--server",
      `type=unixio,path=${path}`,
      "--flags",
      "not-need-init,startup-clear",
    ]);
    // Its socket is there before it takes calls.
    await eventually("a TPM that answers", () => tpm.transmit(GET_RANDOM), START_LIMIT_MS);
    return tpm;
  }

  static async #start(folder: string, how: (path: string) => string[]): Promise<EmulatedTpm> {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `socket-${process.hrtime.bigint()}`);
    const child = spawn("swtpm", ["socket", "--tpm2", "--tpmstate", `dir=${folder}`, ...how(path)], {
      stdio: "ignore",
    });
    await once(child, "spawn");
    await eventually("a TPM", () => (existsSync(path) ? true : undefined), START_LIMIT_MS);
    return new EmulatedTpm(path, child);
  }

  /** Sends one command and resolves with its answer. */
  async transmit(command: Buffer): Promise<Buffer> {
    const socket = connect(this.socket);
    try {
      await once(socket, "connect");
      socket.write(command);
      return await answerOf(socket);
    } finally {
      socket.destroy();
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}

async function answerOf(socket: Socket): Promise<Buffer> {
  let answer = Buffer.alloc(0);
  for await (const piece of socket) {
    answer = Buffer.concat([answer, piece as Buffer]);
    if (answer.length >= ANSWER_LENGTH_BYTES && answer.length >= answer.readUInt32BE(2)) return answer;
  }
  throw new Error("the TPM hung up");
}
