import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { FakeCollector } from "@paddock/uplink/forward/testing/fake-collector.ts";
import { signDirective, type DirectiveBody } from "@paddock/wire/directive.ts";
import { defaultKeyFile, readIdentity } from "@paddock/wire/identity-file.ts";
import type { DirectiveState } from "../machine.ts";

const GATEWAY_MAIN = join(import.meta.dirname, "../../main.ts");

/** So long that a slow machine gets its receipt. */
export const LONG_S = 3600;

export function change(revision: number, patch: unknown): DirectiveBody {
  return { kind: "config", revision, document: JSON.stringify(patch) };
}

/** The real program in a directory of its own, and a collector that hands it directives. */
export class DirectedGateway {
  readonly dataDir: string;
  readonly configFile: string;
  readonly collector = new FakeCollector();
  child: ChildProcess | undefined;
  readonly #directory: string;
  #issued = 1;

  private constructor(directory: string) {
    this.#directory = directory;
    this.dataDir = join(directory, "data");
    this.configFile = join(directory, "gateway.json");
  }

  /** Nothing runs yet but the collector. */
  static async make(): Promise<DirectedGateway> {
    const made = new DirectedGateway(await mkdtemp(join(tmpdir(), "paddock-directives-")));
    await made.collector.listen();
    return made;
  }

  async end(): Promise<void> {
    if (this.child?.exitCode === null && this.child.signalCode === null) await this.kill("SIGKILL");
    await this.collector.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Starts the program with a document of its own; returns its log lines so far. */
  async start(directives: Record<string, unknown>): Promise<() => string> {
    const { dataDir, collector } = this;
    const config = {
      dataDir,
      listen: [{ address: "::1", port: 0 }],
      store: { minFreeBytes: 0, ballastBytes: 0 },
      discovery: { enabled: false },
      forward: { drainMs: 100 },
      collector: { publicKey: Buffer.from(collector.identity.publicKeyRaw).toString("hex"), label: "own" },
      paths: [{ name: "fibre", endpoint: collector.endpoint }],
      directives: { everyS: 1, ...directives },
    };
    await writeFile(this.configFile, JSON.stringify(config));
    return this.run();
  }

  /** Starts the program with the document that is there. */
  async run(): Promise<() => string> {
    const started = spawn(process.execPath, [GATEWAY_MAIN, "run", "--config", this.configFile], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child = started;
    let log = "";
    started.stderr.on("data", (chunk) => (log += String(chunk)));
    await expect.poll(() => log).toContain('"event":"ready"');
    return () => log;
  }

  async kill(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const ended = once(this.child!, "exit");
    this.child!.kill(signal);
    await ended;
  }

  async state(): Promise<DirectiveState | undefined> {
    try {
      return JSON.parse(await readFile(join(this.dataDir, "directives.json"), "utf8")) as DirectiveState;
    } catch {
      return undefined;
    }
  }

  async id(): Promise<Buffer> {
    const { collector } = this;
    await expect
      .poll(() => collector.uploads.length + collector.queries.length + collector.directivesAsked)
      .toBeGreaterThan(0);
    return Buffer.from((await readIdentity(defaultKeyFile(this.dataDir)))!.id);
  }

  /** Has the collector hand out a directive; resolves with the directive's id. */
  async ask(body: DirectiveBody, more: { gateway?: Uint8Array; notAfter?: number } = {}): Promise<string> {
    const issued = ++this.#issued;
    const id = Buffer.alloc(16, issued);
    const gateway = more.gateway ?? (await this.id());
    const notAfter = more.notAfter ?? Date.now() + 86_400_000;
    this.collector.directive = signDirective(this.collector.identity, { id, gateway, issued, notAfter, body });
    return id.toString("hex");
  }

  /** How a directive ended, once the collector was told. */
  async outcome(id: string): Promise<string | undefined> {
    return (await this.state())?.answers.find((each) => each.id === id && each.told)?.outcome;
  }
}
