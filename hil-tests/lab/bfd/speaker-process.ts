import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BfdClient } from "@paddock/uplink/bfd/client.ts";
import type { SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import type {
  SessionLiveness,
  SessionReport,
  SpeakerEvent,
  SpeakerReport,
  StateEvent,
} from "@paddock/uplink/bfd/speaker-events.ts";
import { eventually, type Namespace } from "../namespaces.ts";

const MAIN = fileURLToPath(import.meta.resolve("@paddock/uplink/bfd/main.ts"));

/** The speaker under test in a namespace, steered over its control socket. */
export class SpeakerProcess {
  readonly events: SpeakerEvent[] = [];
  readonly socket: string;
  readonly #namespace: Namespace;
  #command: readonly string[] = [];
  #child: ChildProcess | undefined;
  #client: BfdClient | undefined;

  constructor(namespace: Namespace, directory: string) {
    this.#namespace = namespace;
    this.socket = join(directory, `${namespace.name}.sock`);
  }

  /** `fifo` runs every thread of the process at real-time priority 50. */
  async start(options: { fifo?: boolean } = {}): Promise<void> {
    const command = [process.execPath, MAIN, "--socket", this.socket];
    this.#command = options.fifo === true ? ["chrt", "-f", "50", ...command] : command;
    this.#spawn();
    this.#client = new BfdClient({ socket: this.socket, owner: "lab" });
    this.#client.onEvent((event) => this.events.push(event));
    await this.#client.start();
    await eventually("the speaker answers", () => this.#client!.connected);
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
    await eventually("the client has noticed", () => !this.#client!.connected);
  }

  /** Starts it again after `kill`: as a service manager would, which says nothing about sessions. */
  async comeBack(): Promise<void> {
    this.#spawn();
    await eventually("the speaker answers", () => this.#client!.connected);
  }

  /** What whoever steers the speaker believes. */
  liveness(name = "one"): SessionLiveness {
    return this.#client!.liveness(name);
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  set(...sessions: SessionSpecInput[]): void {
    this.#client!.setSessions(sessions);
  }

  async report(): Promise<SpeakerReport> {
    const report = await this.#client!.report();
    if (report === undefined) throw new Error("the speaker cannot be reached");
    return report;
  }

  async session(name = "one"): Promise<SessionReport> {
    const session = (await this.report()).sessions.find((each) => each.name === name);
    if (session === undefined) throw new Error(`the speaker has no session ${name}`);
    return session;
  }

  async inState(state: SessionReport["state"], name = "one"): Promise<SessionReport> {
    return eventually(`session ${name} is ${state}`, async () => {
      const session = await this.session(name);
      return session.state === state && session;
    });
  }

  states(name = "one"): StateEvent[] {
    return this.events.filter((event): event is StateEvent => event.event === "state" && event.name === name);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#client?.close();
    await this.#end(signal);
  }

  #spawn(): void {
    const [program, ...args] = this.#command;
    this.#child = this.#namespace.spawn(program!, args);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }
}
