import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface ReadyLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A program of ours as a process of its own, ready for work. */
export interface Program {
  readonly process: ChildProcess;
  readonly ready: ReadyLine;
  /** SIGTERM, then waits for its end; SIGKILL after 20 s. */
  stop(): Promise<void>;
}

/** Starts `node ARGS` and waits for its ready event. Throws with what it said when it ends before that. */
export async function startProgram(args: readonly string[]): Promise<Program> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  const ready = await new Promise<ReadyLine>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}:\n${said.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (said.length < 50) said.push(line);
      const event = parsed(line);
      if (event?.event === "ready") resolve(event);
    });
  });
  return {
    process: child,
    ready,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await exit;
      clearTimeout(timer);
    },
  };
}

/** Pino and our own log both name the event in `event` or, in pino's case, in `msg`. */
function parsed(line: string): ReadyLine | undefined {
  try {
    const fields = JSON.parse(line) as Record<string, unknown>;
    return { ...fields, event: String(fields["event"] ?? fields["msg"]) };
  } catch {
    return undefined;
  }
}
