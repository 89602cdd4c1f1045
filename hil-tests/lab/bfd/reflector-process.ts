import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ReflectorOptions, ReflectorReport } from "@paddock/uplink/bfd/reflector.ts";
import type { Namespace } from "../namespaces.ts";

const MAIN = fileURLToPath(new URL("reflector-main.ts", import.meta.url));

/** The collector's side of BFD in a namespace, without a collector. */
export class ReflectorProcess {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(namespace: Namespace, options: Omit<ReflectorOptions, "clock" | "transport">) {
    const stdio = ["pipe", "pipe", "inherit"] as const;
    const made = new ReflectorProcess(
      namespace.spawn(process.execPath, [MAIN, JSON.stringify(options)], { stdio: [...stdio] }),
    );
    await made.report();
    return made;
  }

  async report(): Promise<ReflectorReport> {
    this.#child.stdin!.write("report\n");
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error("the reflector has ended");
    return JSON.parse(value) as ReflectorReport;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin!.end();
    await ended;
  }
}
