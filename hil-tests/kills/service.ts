import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { until } from "@paddock/base/testing/until.ts";
import type { LogEvent } from "../demo/children.ts";

/** A program of ours that is started again whenever it ends, as systemd does with `Restart=always`. */
export class Service {
  readonly #argv: readonly string[];
  readonly #logFile: string;
  readonly #onEvent: (event: LogEvent) => void;
  #child: ChildProcess | undefined;
  #ready: LogEvent | undefined;
  #isEnding = false;

  /** `argv` is for Node; the log is kept in `logFile` for whoever has to find out. */
  constructor(argv: readonly string[], logFile: string, onEvent: (event: LogEvent) => void = () => {}) {
    this.#argv = argv;
    this.#logFile = logFile;
    this.#onEvent = onEvent;
  }

  /** Starts it, and waits until it is ready. */
  async start(): Promise<LogEvent> {
    this.#run();
    return this.ready();
  }

  /** Waits until it is ready, through as many starts as it needs. */
  async ready(): Promise<LogEvent> {
    await until(() => this.#ready !== undefined, `${this.#argv[0]} is ready: see ${this.#logFile}`);
    return this.#ready!;
  }

  /** SIGKILL, whatever it is at, and a start. Resolves behind its end. */
  async kill(): Promise<void> {
    await this.#signal("SIGKILL");
  }

  /** Ends it until it is started again. Resolves with its exit code. */
  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    this.#isEnding = true;
    return this.#signal(signal);
  }

  async #signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    const ended = once(child, "exit") as Promise<[number | null]>;
    child.kill(signal);
    return (await ended)[0];
  }

  #run(): void {
    this.#isEnding = false;
    this.#ready = undefined;
    const child = spawn(process.execPath, this.#argv, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    createInterface({ input: child.stderr }).on("line", (line) => {
      appendFileSync(this.#logFile, `${line}\n`);
      const event = eventIn(line);
      if (event === undefined || this.#child !== child) return;
      if (event.event === "ready") this.#ready = event;
      this.#onEvent(event);
    });
    child.once("exit", () => {
      this.#child = undefined;
      this.#ready = undefined;
      if (!this.#isEnding) this.#run();
    });
  }
}

function eventIn(line: string): LogEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogEvent;
  } catch {
    // Cut off by a kill.
    return undefined;
  }
}
