import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { eventually } from "../namespaces.ts";
import { setFifo } from "./priority.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./machine-stalls-main.ts"));
/** Above everything that is measured: whoever does not get to run at this priority was kept from it by the machine. */
const PRIORITY = 95;

/** A time in which a processor of this machine ran nothing of ours, in Unix ms. */
export interface Stall {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Watches every processor for moments in which the machine itself stood still, which no speaker can help. */
export class MachineStalls {
  readonly #stalls: Stall[] = [];
  readonly #watchers: ChildProcess[] = [];

  static async start(): Promise<MachineStalls> {
    const machine = new MachineStalls();
    let ready = 0;
    for (let processor = 0; processor < availableParallelism(); processor++) {
      const command = ["-c", String(processor), process.execPath, "--single-threaded-gc", PROGRAM];
      const watcher = spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
      machine.#watchers.push(watcher);
      watcher.on("message", (message) => {
        if (message === "ready") ready++;
        else machine.#stalls.push(message as Stall);
      });
    }
    await eventually("all processors are watched", () => ready === machine.#watchers.length);
    // Only now: starting Node takes a processor for as long as the stalls that are looked for.
    for (const watcher of machine.#watchers) setFifo(watcher.pid!, PRIORITY);
    machine.forget();
    return machine;
  }

  /** Begins anew, where only what follows matters. */
  forget(): void {
    this.#stalls.length = 0;
  }

  get worstMs(): number {
    return Math.max(0, ...this.#stalls.map(({ fromMs, toMs }) => toMs - fromMs));
  }

  /** How many milliseconds between these two moments some processor stood still. */
  between(fromMs: number, toMs: number): number {
    let countedToMs = fromMs;
    let stoodMs = 0;
    for (const stall of this.#stalls.toSorted((a, b) => a.fromMs - b.fromMs)) {
      const end = Math.min(stall.toMs, toMs);
      stoodMs += Math.max(0, end - Math.max(stall.fromMs, countedToMs));
      countedToMs = Math.max(countedToMs, end);
    }
    return stoodMs;
  }

  /** Ends the watching; what was seen stays. */
  stop(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.kill("SIGKILL");
  }
}
