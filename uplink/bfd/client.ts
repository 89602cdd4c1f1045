import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock, type Timer } from "@paddock/base/clock.ts";
import { type Log, silentLog } from "@paddock/base/log.ts";
import type { ControlRequest, ControlResponse } from "./control-protocol.ts";
import { ANSWER_BYTES_MAX, onJsonLines, writeJsonLine } from "./json-lines.ts";
import { lastingDifference, parseSession, type SessionSpec, type SessionSpecInput } from "./session-spec.ts";
import type { SessionLiveness, SpeakerEvent, SpeakerReport } from "./speaker-events.ts";

const BACK_OFF_FIRST_MS = 100;
const BACK_OFF_LAST_MS = 10_000;
/** A speaker that answers nothing for this long hangs: it is as good as gone. */
const ANSWER_LIMIT_MS = 5000;

export interface BfdClientOptions {
  /** The control socket of a speaker that a service manager runs; left out, a child process is started and kept alive. */
  readonly socket?: string;
  /** The command of that child process, before `--socket PATH`; default is this package's main.ts. */
  readonly command?: readonly [string, ...string[]];
  /**
   * Marks this client's sessions: whatever else carries the mark in the speaker is removed, and nothing without it is
   * seen or touched.
   */
  readonly owner: string;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface LivenessChange {
  readonly name: string;
  readonly liveness: SessionLiveness;
  /** The event behind it; undefined when the speaker was lost or found again. */
  readonly event: SpeakerEvent | undefined;
}

/**
 * A gateway's or collector's hold on the speaker process: says which sessions there shall be, and hears whether each is
 * up. While the speaker is gone every session is `unknown`; it is started and connected again by itself.
 */
export class BfdClient {
  readonly #options: BfdClientOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #wanted = new Map<string, SessionSpec>();
  readonly #liveness = new Map<string, SessionLiveness>();
  readonly #changeListeners = new Set<(change: LivenessChange) => void>();
  readonly #eventListeners = new Set<(event: SpeakerEvent) => void>();
  readonly #waiting = new Map<number, (response: ControlResponse) => void>();
  #directory: string | undefined;
  #child: ChildProcess | undefined;
  #socket: Socket | undefined;
  #connected = false;
  #nextId = 1;
  #backOffMs = BACK_OFF_FIRST_MS;
  #retry: Timer | undefined;
  #closed = false;
  #toldGone = false;

  constructor(options: BfdClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
  }

  /** Begins to keep a connection; returns at once. */
  async start(): Promise<void> {
    if (this.#options.socket === undefined) this.#directory = await mkdtemp(join(tmpdir(), "paddock-bfd-"));
    this.#begin();
  }

  /** Makes the speaker's sessions of this owner exactly these. Throws BFD_INVALID or CONFIG_INVALID for a bad one. */
  setSessions(sessions: readonly SessionSpecInput[]): void {
    const parsed = sessions.map((session) => parseSession({ ...session, owner: this.#options.owner }));
    const names = new Set(parsed.map(({ name }) => name));
    for (const name of this.#wanted.keys()) {
      if (names.has(name)) continue;
      this.#wanted.delete(name);
      this.#liveness.delete(name);
      this.#remove(name);
    }
    for (const session of parsed) {
      const before = this.#wanted.get(session.name);
      this.#wanted.set(session.name, session);
      if (before === undefined) this.#liveness.set(session.name, "unknown");
      if (JSON.stringify(before) !== JSON.stringify(session)) this.#replace(before, session);
    }
  }

  /** `unknown` also for names that were never set. */
  liveness(name: string): SessionLiveness {
    return this.#liveness.get(name) ?? "unknown";
  }

  /** Of the child process that this client started, if one runs. */
  get childPid(): number | undefined {
    return this.#child?.pid;
  }

  get connected(): boolean {
    return this.#connected;
  }

  onLiveness(listener: (change: LivenessChange) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  /** Every event of this owner's sessions. */
  onEvent(listener: (event: SpeakerEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** The speaker and this owner's sessions in it, or undefined while it cannot be reached. */
  async report(): Promise<SpeakerReport | undefined> {
    const response = await this.#request({ do: "list" });
    if (response?.ok !== true) return undefined;
    const report = response.result as SpeakerReport;
    return { ...report, sessions: report.sessions.filter((session) => this.#isOurs(session)) };
  }

  /** Leaves a shared speaker and its sessions alone; ends a child, which tells its peers AdminDown. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#socket?.destroy();
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((done) => child.once("exit", () => done()));
      child.kill("SIGTERM");
      await ended;
    }
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  #begin(): void {
    if (this.#closed) return;
    const path = this.#options.socket ?? join(this.#directory!, "bfd.sock");
    if (this.#options.socket === undefined && this.#child === undefined) this.#startChild(path);
    const socket = connect(path);
    this.#socket = socket;
    socket.on("connect", () => this.#greet());
    socket.on("error", () => {});
    socket.on("close", () => this.#lost());
    onJsonLines(socket, ANSWER_BYTES_MAX, (message) => this.#heard(message as ControlResponse | SpeakerEvent));
  }

  #startChild(path: string): void {
    const command = this.#options.command ?? [process.execPath, fileURLToPath(new URL("main.ts", import.meta.url))];
    const [program, ...rest] = [...command, "--socket", path, "--with-parent"] as [string, ...string[]];
    // The pipe to its standard input tells the child when this process is gone, however it went.
    const child = spawn(program, rest, { stdio: ["pipe", "ignore", "inherit"] });
    this.#child = child;
    child.stdin?.on("error", () => {});
    const gone = (detail: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (!this.#closed) this.#log.warn("bfd-speaker-gone", { detail });
    };
    child.on("error", (error) => gone(error.message));
    child.on("exit", (code, signal) => gone(`exit ${code ?? signal}`));
  }

  #greet(): void {
    this.#connected = true;
    // Not awaited: the first events follow the answer in the same read, and must not be overtaken by it.
    this.#send({ do: "subscribe" }, (response) => {
      if (!response.ok) return;
      this.#backOffMs = BACK_OFF_FIRST_MS;
      this.#toldGone = false;
      const report = response.result as SpeakerReport;
      const sessions = report.sessions.filter((session) => this.#isOurs(session));
      for (const { name } of sessions) if (!this.#wanted.has(name)) this.#remove(name);
      const known = new Map(sessions.map((session) => [session.name, session.liveness]));
      for (const session of this.#wanted.values()) {
        const liveness = known.get(session.name);
        if (liveness === undefined) this.#add(session);
        else this.#adopt(session, liveness);
      }
      this.#log.info("bfd-speaker-connected", { sessions: this.#wanted.size });
    });
  }

  /**
   * Goes on with a session that an earlier connection made. One that looks elsewhere than is wanted now proves nothing;
   * the speaker refuses to turn it, so it begins anew.
   */
  #adopt(session: SessionSpec, liveness: SessionLiveness): void {
    let heard = false;
    const stop = this.onEvent((event) => (heard ||= event.name === session.name));
    this.#send({ do: "add", session }, ({ ok }) => {
      stop();
      const wanted = this.#wanted.get(session.name);
      // Another pace or key asked for meanwhile is still the same session; other ends are not, and were sent since.
      if (!this.#connected || wanted === undefined || lastingDifference(session, wanted) !== undefined) return;
      if (ok) {
        // What happened since the report is newer than it.
        if (!heard) this.#set(session.name, liveness, undefined);
        return;
      }
      this.#remove(session.name);
      this.#add(wanted);
    });
  }

  #replace(before: SessionSpec | undefined, after: SessionSpec): void {
    if (before !== undefined && lastingDifference(before, after) !== undefined) this.#remove(after.name);
    this.#add(after);
  }

  #remove(name: string): void {
    this.#tell({ do: "remove", owner: this.#options.owner, name });
  }

  /** Another owner may have sessions of the same names in the same speaker. */
  #isOurs({ owner }: { readonly owner: string }): boolean {
    return owner === this.#options.owner;
  }

  #add(session: SessionSpec): void {
    this.#tell({ do: "add", session });
  }

  /** A request whose answer matters only when it is a refusal. */
  #tell(request: Request): void {
    this.#send(request, (response) => {
      // A lost speaker is reported once, by the loss itself. The session stays out of the log: it may hold secrets.
      if (response.ok || !this.#connected) return;
      this.#log.error("bfd-request-refused", { do: request.do, code: response.code, detail: response.message });
    });
  }

  #lost(): void {
    // A child tells by its end. Somebody else's speaker is told of once, until it is there again.
    if (!this.#closed && this.#options.socket !== undefined && !this.#toldGone) {
      this.#toldGone = true;
      const again = "tried again until it answers; receipts decide about its paths meanwhile";
      this.#log.warn("bfd-speaker-gone", { detail: `nothing answers at ${this.#options.socket}: ${again}` });
    }
    this.#connected = false;
    this.#socket = undefined;
    for (const settle of this.#waiting.values())
      settle({ id: null, ok: false, code: "STATUS_UNREACHABLE", message: "the speaker is gone." });
    this.#waiting.clear();
    for (const name of this.#wanted.keys()) this.#set(name, "unknown", undefined);
    if (this.#closed) return;
    this.#retry = this.#clock.after(this.#backOffMs, () => this.#begin());
    this.#backOffMs = Math.min(BACK_OFF_LAST_MS, this.#backOffMs * 2);
  }

  #hangs(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#log.warn("bfd-speaker-hangs", { detail: `no answer for ${ANSWER_LIMIT_MS / 1000} s` });
    // A child of ours is started again; somebody else's speaker is its owner's to mend.
    this.#child?.kill("SIGKILL");
    socket.destroy();
  }

  #heard(message: ControlResponse | SpeakerEvent): void {
    if ("event" in message) {
      if (!this.#isOurs(message)) return;
      if (message.event === "state" && this.#wanted.has(message.name))
        this.#set(message.name, message.liveness, message);
      for (const listener of this.#eventListeners) listener(message);
      return;
    }
    const settle = this.#waiting.get(message.id as number);
    this.#waiting.delete(message.id as number);
    settle?.(message);
  }

  #set(name: string, liveness: SessionLiveness, event: SpeakerEvent | undefined): void {
    if (this.#liveness.get(name) === liveness) return;
    this.#liveness.set(name, liveness);
    for (const listener of this.#changeListeners) listener({ name, liveness, event });
  }

  #request(request: Request): Promise<ControlResponse | undefined> {
    return new Promise((settle) => {
      if (!this.#send(request, settle)) settle(undefined);
    });
  }

  /** False when there is no speaker to send to. */
  #send(request: Request, onResponse: (response: ControlResponse) => void): boolean {
    const socket = this.#socket;
    if (socket === undefined || !this.#connected) return false;
    const id = this.#nextId++;
    const limit = this.#clock.after(ANSWER_LIMIT_MS, () => {
      // Timers run before sockets are read: the answer may wait there after a stall of our own.
      setImmediate(() => this.#waiting.has(id) && this.#hangs(socket));
    });
    this.#waiting.set(id, (response) => {
      limit.cancel();
      onResponse(response);
    });
    writeJsonLine(socket, { id, ...request });
    return true;
  }
}

type Request = DistributiveOmit<ControlRequest, "id">;
type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;
