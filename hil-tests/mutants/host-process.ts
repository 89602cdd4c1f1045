import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Answer, Question } from "./vitest-host.ts";

export type Outcome = Answer | "timeout" | "crash";

/** Asks the vitest process, and starts another where a mutant hung or broke it. */
export class HostProcess {
  readonly #root: string;
  #child: ChildProcess | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** @param limitMs after this the process and all that it started are ended, and the outcome is "timeout". */
  async ask(question: Question, limitMs: number): Promise<Outcome> {
    const child = this.#child ?? (await this.#start());
    return new Promise((resolve) => {
      const done = (outcome: Outcome): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (outcome === "timeout" || outcome === "crash") this.stop();
        resolve(outcome);
      };
      const timer = setTimeout(() => done("timeout"), limitMs);
      child.once("message", (answer) => done(answer as Answer));
      child.once("exit", () => done("crash"));
      child.send(question);
    });
  }

  stop(): void {
    const pid = this.#child?.pid;
    this.#child = undefined;
    if (pid === undefined) return;
    try {
      // Its group: the workers are processes of their own, and it is they that hang.
      process.kill(-pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, "vitest-host.ts"), {
      cwd: this.#root,
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child = child;
    await once(child, "message");
    return child;
  }
}
