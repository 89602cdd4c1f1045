import type { ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Namespace } from "../namespaces.ts";
import type { LoggedEvent } from "./target.ts";

export const PROGRAMS = {
  gateway: fileURLToPath(import.meta.resolve("@paddock/gateway/main.ts")),
  collector: fileURLToPath(import.meta.resolve("@paddock/collector/main.ts")),
  sim: fileURLToPath(import.meta.resolve("@paddock/sensor-sim/main.ts")),
  bfd: fileURLToPath(import.meta.resolve("@paddock/uplink/bfd/main.ts")),
} as const;

const READY_LIMIT_MS = 60_000;

/** A Paddock program that lasts, in a namespace: its log is read, and kept in a file for whoever has to find out. */
export class Program {
  readonly events: LoggedEvent[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #lastLines: string[] = [];

  private constructor(child: ChildProcess, logFile: string) {
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", resolve));
    const file = createWriteStream(logFile, { flags: "a" });
    createInterface({ input: child.stderr! })
      .on("line", (line) => {
        file.write(`${line}\n`);
        this.#take(line);
      })
      .on("close", () => file.end());
  }

  /** Starts it and waits for its `ready`. Throws with its last lines when it ends before. */
  static async start(
    namespace: Namespace,
    name: keyof typeof PROGRAMS,
    args: readonly string[],
    logFile: string,
  ): Promise<Program> {
    const child = namespace.spawn(process.execPath, [PROGRAMS[name], ...args], { stdio: ["ignore", "ignore", "pipe"] });
    const program = new Program(child, logFile);
    await program.#ready(name);
    return program;
  }

  /** Resolves with the fields of the first event of this name; the process ending first is an error. */
  async #ready(name: string): Promise<void> {
    const endMs = Date.now() + READY_LIMIT_MS;
    while (!this.events.some(({ event }) => event === "ready")) {
      if (!this.running || Date.now() > endMs) {
        throw new Error(`the ${name} did not become ready: ${this.#lastLines.join("\n")}`);
      }
      await new Promise((done) => setTimeout(done, 10));
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends the signal, unless it ended by itself, and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.running) this.#child.kill(signal);
    return this.#exited;
  }

  #take(line: string): void {
    this.#lastLines = [...this.#lastLines.slice(-9), line];
    try {
      const { time, event, ...fields } = JSON.parse(line) as Record<string, unknown>;
      if (typeof event !== "string") return;
      const atMs = typeof time === "number" ? time : Date.parse(String(time));
      this.events.push({ atMs, event, fields });
    } catch {
      // Words for the terminal; the file has them.
    }
  }
}
