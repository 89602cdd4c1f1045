import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@paddock/base/testing/until.ts";
import { hasEnded } from "../has-ended.ts";

/** Redis' own defaults for what shall outlive it: each command in a file, which goes to the disk once a second. */
const DURABLE = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];

/** One Redis on a socket file of its own, without a port, with its data in a directory that goes with it. */
export class RedisServer {
  readonly directory: string;
  readonly socketPath: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(directory: string, options: readonly string[]) {
    this.directory = directory;
    this.socketPath = join(directory, "s");
    this.#options = options;
  }

  /** With `options` behind those that make it durable. */
  static async start(options: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(await mkdtemp(join(tmpdir(), "paddock-redis-")), options);
    try {
      await server.resume();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Starts it again, and waits until it answers. */
  async resume(): Promise<void> {
    await rm(this.socketPath, { force: true });
    const where = ["--port", "0", "--unixsocket", this.socketPath, "--dir", this.directory];
    const child = spawn("redis-server", [...where, ...DURABLE, ...this.#options], { stdio: "ignore" });
    const missing = once(child, "error").then(([error]) => {
      throw new Error("redis-server does not start: run hil-tests/setup.sh", { cause: error });
    });
    this.#process = child;
    const answers = until(async () => (await this.ask("PING")) === "PONG", "Redis answers");
    await Promise.race([answers, missing]);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || hasEnded(child)) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Sends a signal, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** What `redis-cli` answers to one command. */
  ask(...command: string[]): Promise<string> {
    return this.#cli(command, "");
  }

  /** What it answers to many commands, a line each. */
  async askAll(commands: readonly string[]): Promise<string[]> {
    return (await this.#cli([], commands.map((command) => `${command}\n`).join(""))).split("\n");
  }

  #cli(args: readonly string[], input: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        "redis-cli",
        ["-s", this.socketPath, ...args],
        { maxBuffer: 1 << 28 },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout.trimEnd());
          else reject(new Error(stderr.trim() || error.message));
        },
      );
      child.stdin!.on("error", () => {});
      child.stdin!.end(input);
    });
  }
}
