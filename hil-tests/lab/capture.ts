import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { eventually, type Namespace } from "./namespaces.ts";

/** A packet capture on one interface, read back by tshark's dissectors: a decoder that is not ours. */
export class Capture {
  readonly #file: string;
  readonly #process: ChildProcess;

  private constructor(file: string, process: ChildProcess) {
    this.#file = file;
    this.#process = process;
  }

  static async start(namespace: Namespace, device: string, filter: string, file: string): Promise<Capture> {
    const process = namespace.spawn("dumpcap", ["-q", "-i", device, "-f", filter, "-w", file]);
    const capture = new Capture(file, process);
    await eventually("the capture has begun", () => existsSync(file) && statSync(file).size > 0);
    return capture;
  }

  /** Ends the capture and gives the named fields of each packet, in the order of `fields`. */
  async finish(fields: readonly string[]): Promise<string[][]> {
    // What the kernel still holds reaches the file with the next block.
    await new Promise((done) => setTimeout(done, 300));
    const ended = new Promise((done) => this.#process.once("exit", done));
    this.#process.kill("SIGINT");
    await ended;
    const options = fields.flatMap((field) => ["-e", field]);
    const text = execFileSync("tshark", ["-r", this.#file, "-T", "fields", ...options], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 256 * 1024 * 1024,
    });
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split("\t"));
  }
}
