import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PEER_FIFO, setFifo } from "../bfd/priority.ts";
import { eventually, type Namespace } from "../namespaces.ts";

/** One line of `show bfd sessions`; intervals in seconds. */
export interface BirdSession {
  readonly address: string;
  readonly device: string;
  readonly state: string;
  readonly intervalS: number;
  readonly timeoutS: number;
}

/** BIRD with its BFD protocol alone. */
export class Bird {
  readonly #namespace: Namespace;
  readonly #directory: string;

  constructor(namespace: Namespace, directory: string) {
    this.#namespace = namespace;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  /** `body` is what stands between the braces of `protocol bfd`. */
  async start(body: string): Promise<void> {
    this.#write(body);
    this.#namespace.run("bird", "-c", this.#at("bird.conf"), "-s", this.#at("bird.ctl"), "-P", this.#at("bird.pid"));
    // The command ends when BIRD has forked, and its child writes into the empty file only then.
    const pid = await eventually(
      "BIRD's pid is in its file",
      () => Number(readFileSync(this.#at("bird.pid"), "utf8")) || false,
    );
    setFifo(pid, PEER_FIFO);
  }

  reconfigure(body: string): void {
    this.#write(body);
    this.#birdc("configure");
  }

  sessions(): BirdSession[] {
    const lines = this.#birdc("show bfd sessions").split("\n");
    return lines.flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      if (fields.length < 6 || !/^[0-9a-f]*:/.test(fields[0]!)) return [];
      const [address, device, state, , interval, timeout] = fields as [string, string, string, string, string, string];
      return [{ address, device, state, intervalS: Number(interval), timeoutS: Number(timeout) }];
    });
  }

  stop(): void {
    this.#birdc("down");
  }

  #write(body: string): void {
    // "accept ipv6" keeps it from opening IPv4 sockets.
    const text = `router id 192.0.2.1;\nprotocol device { scan time 1; }\nprotocol bfd { accept ipv6;\n${body}\n}\n`;
    writeFileSync(this.#at("bird.conf"), text);
  }

  #birdc(command: string): string {
    return execFileSync("birdc", ["-s", this.#at("bird.ctl"), command], { encoding: "utf8" });
  }

  #at(file: string): string {
    return join(this.#directory, file);
  }
}
