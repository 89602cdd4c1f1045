import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BfdClient } from "@paddock/uplink/bfd/client.ts";
import type { SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import type { SessionReport, SpeakerEvent, StateEvent } from "@paddock/uplink/bfd/speaker-events.ts";
import { eventually, type Namespace } from "../namespaces.ts";

const MAIN = fileURLToPath(import.meta.resolve("@paddock/uplink/bfd/main.ts"));

/** The speaker under test in a namespace, steered over its control socket. */
export class SpeakerProcess {
  readonly events: SpeakerEvent[] = [];
  readonly socket: string;
  readonly #namespace: Namespace;
  #child: ChildProcess | undefined;
  #client: BfdClient | undefined;

  constructor(namespace: Namespace, directory: string) {
    this.#namespace = namespace;
    this.socket = join(directory, `${namespace.name}.sock`);
  }

  /** `fifo` runs every thread of the process at real-time priority 50. */
  async start(options: { fifo?: boolean } = {}): Promise<void> {
    const command = [process.execPath, MAIN, "--socket", this.socket];
    const [program, ...args] = options.fifo === true ? ["chrt", "-f", "50", ...command] : command;
    this.#child = this.#namespace.spawn(program!, args);
    this.#client = new BfdClient({ socket: this.socket, owner: "lab" });
    this.#client.onEvent((event) => this.events.push(event));
    await this.#client.start();
    await eventually("the speaker answers", () => this.#client!.connected);
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  set(...sessions: SessionSpecInput[]): void {
    this.#client!.setSessions(sessions);
  }

  async session(name = "one"): Promise<SessionReport> {
    const report = await this.#client!.report();
    const session = report?.sessions.find((each) => each.name === name);
    if (session === undefined) throw new Error(`the speaker has no session ${name}`);
    return session;
  }

  async stalls(): Promise<{ worstMs: number }> {
    return (await this.#client!.report())!.stalls;
  }

  async inState(state: SessionReport["state"], name = "one", limitMs = 10_000): Promise<SessionReport> {
    return eventually(
      `session ${name} is ${state}`,
      async () => {
        const session = await this.session(name);
        return session.state === state && session;
      },
      limitMs,
    );
  }

  states(name = "one"): StateEvent[] {
    return this.events.filter((event): event is StateEvent => event.event === "state" && event.name === name);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    await this.#client?.close();
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }
}
