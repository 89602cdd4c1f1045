import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Children } from "../demo/children.ts";

const SEND = join(import.meta.dirname, "send.php");
const STORE = { minFreeBytes: 16 * 1024 * 1024, ballastBytes: 0 };
const FORM = {
  path: "/log.php",
  name: "urn:dev:ow:",
  id: "station",
  decimalComma: true,
  fields: [
    { field: "temp", name: ":temperature", unit: "Cel" },
    { field: "note", name: ":note", kind: "text", required: false },
  ],
};

/** The whole way of a form: HTTP bridge, gateway, collector and its sink, each a process of its own as people start them. */
export class LampChain {
  readonly directory: string;
  readonly #others: Children;
  #gateway: Children;
  #gatewayPort = 0;
  #collector: { readonly port: number; readonly publicKey: string } | undefined;
  #form = "";

  private constructor(directory: string) {
    this.directory = directory;
    this.#others = new Children(directory);
    this.#gateway = new Children(directory);
  }

  /** With a sink into the database `paddock` of the server at this socket, by the user `bridge` and its password. */
  static async start(socketPath: string, password: string): Promise<LampChain> {
    const chain = new LampChain(await mkdtemp(join(tmpdir(), "paddock-lamp-")));
    try {
      await chain.#startCollector(socketPath, password);
      await chain.startGateway();
      await chain.#startBridge();
    } catch (error) {
      await chain.stop();
      throw error;
    }
    return chain;
  }

  /** An old script posts these fields; the answer's status line and body. */
  async post(fields: Readonly<Record<string, string>>): Promise<string> {
    const pairs = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    const { stdout } = await promisify(execFile)("php8.2", [SEND, this.#form, ...pairs]);
    return stdout.trimEnd();
  }

  /** The same as a query. */
  async get(fields: Readonly<Record<string, string>>): Promise<number> {
    return (await fetch(`${this.#form}?${new URLSearchParams(fields).toString()}`)).status;
  }

  /** `paddock collector …` to its end. */
  collector(...args: readonly string[]) {
    return this.#others.run(args[0]!, "collector", args);
  }

  /** Starts the gateway, again too, on the port that it had. */
  async startGateway(): Promise<void> {
    this.#gateway = new Children(this.directory);
    const { port, publicKey } = this.#collector!;
    const config = await this.#write("gateway.json", {
      dataDir: join(this.directory, "gateway"),
      listen: [{ address: "::1", port: this.#gatewayPort }],
      store: STORE,
      collector: { publicKey, claim: "barn-barn-barn", label: "barn" },
      paths: [{ name: "lan", endpoint: `https://[::1]:${port}` }],
      status: { socket: join(this.directory, "status.sock") },
      discovery: { enabled: false },
    });
    const ready = await this.#gateway.serve("gateway", "gateway", ["run", "--config", config]);
    [{ port: this.#gatewayPort }] = ready["addresses"] as [{ readonly port: number }];
  }

  endGateway(): Promise<void> {
    return this.#gateway.endAll();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#gateway.endAll(), this.#others.endAll()]);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #startCollector(socketPath: string, password: string): Promise<void> {
    const passwordFile = await this.#write("sql-password", password);
    const config = await this.#write("collector.json", {
      dataDir: join(this.directory, "collector"),
      listen: [{ address: "::1", port: 0 }],
      operator: { socket: this.socket },
      claims: [{ code: "barn-barn-barn", label: "barn" }],
      sinks: [{ name: "farm", maxDelayMs: 50, sql: { socketPath, user: "bridge", passwordFile, database: "paddock" } }],
      store: STORE,
    });
    const ready = await this.#others.serve("collector", "collector", ["run", "--config", config]);
    const [{ port }] = ready["listen"] as [{ readonly port: number }];
    this.#collector = { port, publicKey: ready["publicKey"] as string };
  }

  async #startBridge(): Promise<void> {
    const config = await this.#write("bridge.json", {
      listen: { address: "::1", port: 0 },
      gateway: { address: "::1", port: this.#gatewayPort },
      answerMs: 3000,
      forms: [FORM],
    });
    const ready = await this.#others.serve("bridge", "bridge", ["http", "--config", config]);
    this.#form = `http://[::1]:${(ready["listen"] as { readonly port: number }).port}${FORM.path}`;
  }

  get socket(): string {
    return join(this.directory, "operator.sock");
  }

  async #write(name: string, content: unknown): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, typeof content === "string" ? `${content}\n` : JSON.stringify(content));
    return path;
  }
}
