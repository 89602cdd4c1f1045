import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PEER_FIFO, setFifo } from "../bfd/priority.ts";
import { eventually, type Namespace } from "../namespaces.ts";

/** What `show bfd peers json` says of one session. */
export interface FrrPeer {
  readonly peer: string;
  readonly local?: string;
  readonly multihop?: boolean;
  readonly interface?: string;
  readonly id: number;
  readonly "remote-id": number;
  readonly status: string;
  readonly diagnostic: string;
  readonly "remote-diagnostic": string;
  readonly "transmit-interval": number;
  readonly "receive-interval": number;
  readonly "detect-multiplier": number;
  readonly "remote-transmit-interval": number;
  readonly "remote-receive-interval": number;
}

/** Where the programs of one FRR are. */
export interface FrrPrograms {
  readonly daemons: string;
  readonly vtysh: string;
}

const INSTALLED: FrrPrograms = { daemons: "/usr/lib/frr", vtysh: "vtysh" };

/** FRR's bfdd in a namespace, without a service manager; zebra only where sessions name an interface. */
export class Frr {
  readonly #namespace: Namespace;
  readonly #directory: string;
  readonly #programs: FrrPrograms;
  readonly #fifo: boolean;

  /** `fifo`: at the real-time priority of a speaker of ours, where no session may fall because the machine is busy. */
  constructor(namespace: Namespace, directory: string, options: { programs?: FrrPrograms; fifo?: boolean } = {}) {
    this.#namespace = namespace;
    this.#directory = directory;
    this.#programs = options.programs ?? INSTALLED;
    this.#fifo = options.fifo ?? false;
    mkdirSync(directory, { recursive: true });
    // The daemons leave root for the user frr and have to reach their directory.
    execFileSync("chown", ["frr:frr", directory]);
    chmodSync(join(directory, ".."), 0o755);
    chmodSync(directory, 0o755);
  }

  /** `sessions` is the body of FRR's `bfd` block. */
  start(sessions: string, options: { zebra?: boolean } = {}): void {
    const at = (file: string) => join(this.#directory, file);
    if (options.zebra === true) {
      writeFileSync(at("zebra.conf"), "");
      this.#daemon("zebra", "-z", at("zserv.api"), "-f", at("zebra.conf"));
    }
    writeFileSync(
      at("bfdd.conf"),
      `log file ${at("bfdd.log")}\nlog timestamp precision 6\ndebug bfd peer\nbfd\n${sessions}\n!\n`,
    );
    this.#daemon("bfdd", "-z", at("zserv.api"), "-f", at("bfdd.conf"));
    if (this.#fifo) setFifo(this.pid(), PEER_FIFO);
  }

  #daemon(name: string, ...args: string[]): void {
    const common = [
      "-d",
      "-i",
      join(this.#directory, `${name}.pid`),
      "--vty_socket",
      this.#directory,
      "-A",
      "::1",
      "-P",
      "0",
    ];
    const output = join(this.#directory, `${name}.out`);
    this.#namespace.daemon(output, join(this.#programs.daemons, name), ...common, ...args);
  }

  peers(): FrrPeer[] {
    return JSON.parse(this.#vtysh("show bfd peers json")) as FrrPeer[];
  }

  /** Configuration commands below `configure terminal` and `bfd`. */
  configure(...commands: readonly string[]): void {
    this.#vtysh("configure terminal", "bfd", ...commands);
  }

  pid(daemon = "bfdd"): number {
    return Number(readFileSync(join(this.#directory, `${daemon}.pid`), "utf8"));
  }

  log(): string {
    return readFileSync(join(this.#directory, "bfdd.log"), "utf8");
  }

  /** As a service manager stops it. */
  async stop(): Promise<void> {
    const pid = this.pid();
    process.kill(pid, "SIGTERM");
    await eventually("FRR has ended", () => !existsSync(`/proc/${pid}`));
  }

  kill(): void {
    process.kill(this.pid(), "SIGKILL");
  }

  #vtysh(...commands: readonly string[]): string {
    const args = commands.flatMap((command) => ["-c", command]);
    return execFileSync(this.#programs.vtysh, ["--vty_socket", this.#directory, "-d", "bfdd", ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
}
