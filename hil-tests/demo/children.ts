import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { constants, setPriority } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DemoFailure } from "./demo-failure.ts";

export type Program = "gateway" | "collector" | "sim" | "bfd" | "bridge";
/** A line of a program's log. */
export type LogEvent = Readonly<Record<string, unknown>> & { readonly event: string };

const MAINS: Readonly<Record<Program, string>> = {
  gateway: "../../gateway/main.ts",
  collector: "../../collector/main.ts",
  sim: "../../sensor-sim/main.ts",
  bfd: "../../uplink/bfd/main.ts",
  bridge: "../../gateway/bridge/main.ts",
};
const LAST_LINES = 8;
const READY_MS = 120_000;
/** What a program gets to end by itself before it is killed. */
const END_MS = 20_000;
/** A terminal sends ctrl-C to every process at once; a child may be quicker than the news of it. */
const SIGNAL_GRACE_MS = 150;

interface Running {
  readonly name: string;
  readonly process: ChildProcess;
  readonly ended: Promise<number | undefined>;
  /** Its last lines on standard error. */
  readonly lastLines: readonly string[];
  readonly onEvent: (listener: (event: LogEvent) => void) => void;
}

/** The processes of the demo. None of them outlives `endAll`. */
export class Children {
  readonly #temporary: string;
  readonly #running = new Set<Running>();
  readonly #failure = Promise.withResolvers<never>();
  #ending: Promise<void> | undefined;

  /** What the programs put in the temporary directory goes to `temporary`. */
  constructor(temporary: string) {
    this.#temporary = temporary;
    this.#failure.promise.catch(() => {});
  }

  /** Rejects when a program that should still run is gone, with its last log lines. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Starts a program that runs until it is ended, and waits for its `ready` line. Throws DemoFailure. */
  async serve(
    name: string,
    program: Program,
    args: readonly string[],
    onEvent: (event: LogEvent) => void = () => {},
  ): Promise<LogEvent> {
    const running = this.#start(name, program, args);
    const ready = new Promise<LogEvent>((resolve) =>
      running.onEvent((event) => {
        if (event.event === "ready") resolve(event);
        else onEvent(event);
      }),
    );
    void running.ended.then((code) => this.#judgeEnd(running, code));
    return Promise.race([ready, this.failed, tooLate(running)]);
  }

  /** Runs a program to its end. Its standard output is the answer, or goes to `outFile`; `nice` lets others go first. */
  async run(
    name: string,
    program: Program,
    args: readonly string[],
    { outFile, nice = false }: { readonly outFile?: string; readonly nice?: boolean } = {},
  ): Promise<{ readonly code: number; readonly stdout: string; readonly lastLines: readonly string[] }> {
    const running = this.#start(name, program, args);
    const { stdout, pid } = running.process;
    if (nice && pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
    let text = "";
    if (outFile === undefined) stdout!.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    else stdout!.pipe(createWriteStream(outFile));
    const code = await Promise.race([running.ended, this.failed]);
    if (code === undefined && this.#ending === undefined) throw gone(running, code);
    return { code: code ?? 1, stdout: text, lastLines: running.lastLines };
  }

  /** Ends all of them and waits until they are gone. */
  endAll(): Promise<void> {
    return (this.#ending ??= this.#endAll());
  }

  /** For the last moment of the process: nothing can be awaited any more. */
  killAll(): void {
    for (const { process } of this.#running) process.kill("SIGKILL");
  }

  #start(name: string, program: Program, args: readonly string[]): Running {
    if (this.#ending !== undefined) throw new DemoFailure(`${name} was to start while the demo ends.`);
    const main = fileURLToPath(new URL(MAINS[program], import.meta.url));
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: this.#temporary },
    });
    const lastLines: string[] = [];
    const listeners: ((event: LogEvent) => void)[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      lastLines.push(line);
      if (lastLines.length > LAST_LINES) lastLines.shift();
      const event = parseEvent(line);
      if (event !== undefined) for (const listener of listeners) listener(event);
    });
    const ended = new Promise<number | undefined>((resolve) => {
      child.once("error", (error) => lastLines.push(error.message));
      child.once("close", (code) => resolve(code ?? undefined));
    });
    const running: Running = {
      name,
      process: child,
      ended,
      lastLines,
      onEvent: (listener) => listeners.push(listener),
    };
    this.#running.add(running);
    void ended.then(() => this.#running.delete(running));
    return running;
  }

  #judgeEnd(running: Running, code: number | undefined): void {
    if (this.#ending !== undefined) return;
    setTimeout(() => {
      if (this.#ending === undefined) this.#failure.reject(gone(running, code));
    }, SIGNAL_GRACE_MS);
  }

  async #endAll(): Promise<void> {
    await Promise.all(
      [...this.#running].toReversed().map(async ({ process, ended }) => {
        process.kill("SIGTERM");
        const killer = setTimeout(() => process.kill("SIGKILL"), END_MS);
        await ended;
        clearTimeout(killer);
      }),
    );
  }
}

function gone({ name, process: child, lastLines }: Running, code: number | undefined): DemoFailure {
  const how = code === undefined ? `was ended by ${child.signalCode}` : `ended with code ${code}`;
  const lines = lastLines.length === 0 ? "It said nothing." : `Its last lines:\n${indent(lastLines)}`;
  return new DemoFailure(`The ${name} ${how}. ${lines}`);
}

function tooLate(running: Running): Promise<never> {
  return new Promise((_, reject) =>
    setTimeout(
      () => reject(new DemoFailure(`The ${running.name} was not ready within ${READY_MS / 1000} s.`)),
      READY_MS,
    ).unref(),
  );
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

function parseEvent(line: string): LogEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(line) as LogEvent;
    return typeof value.event === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
