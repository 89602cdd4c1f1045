import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { replaceFile } from "@paddock/base/durable-file.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { Log } from "@paddock/base/log.ts";
import { ownDirectory, setAside } from "../set-aside.ts";
import { kindOf, LAST_SINK_NAME } from "./config.ts";
import type { LastAnswer, LastAsk } from "./last/ask.ts";
import type { FromSinks, SinkCommand, SinksStart, ToSinks } from "./messages.ts";
import type { SinkStatus } from "./report.ts";

const BACK_OFF_FIRST_MS = 250;
const BACK_OFF_LAST_MS = 30_000;
/** Who runs this long begins its back-off anew. */
const SOUND_MS = 60_000;
/** For an answer, and for the end of a process that was asked to. */
const ANSWER_MS = 5000;
const STOP_MS = 8000;
/**
 * For V8: rows live shortly and come in masses, for which it would take 64 MB of new space and let the old one grow to
 * four times of what is alive. `npm run bench -- sinks` shows what the process holds.
 */
const HEAP = ["--max-semi-space-size=8", "--heap-growing-percent=100"];
/** Node's own number of threads for files and names. */
const THREADS = 4;
/** Longer than all tiers of the last values may take together. */
const LAST_ANSWER_MS = 15_000;
/** A process that says nothing for so long hangs. */
const SILENT_MS = 30_000;

export interface SinksProcessOptions extends Omit<SinksStart, "paused"> {
  readonly clock: Clock;
  readonly log: Log;
}

/** What the collector knows of a sink. */
export interface KnownSink extends Omit<SinkStatus, "phase"> {
  /** `down`: its process is not there, or says nothing. */
  readonly state: SinkStatus["phase"] | "down";
}

const PausedFile = v.strictObject({ paused: v.array(v.string()) });

/**
 * The collector's hold on the process of its sinks: starts it, starts it again when it dies, ends it, and knows what it
 * said last. What an operator paused stays so over every restart.
 */
export class SinksProcess {
  readonly #options: SinksProcessOptions;
  readonly #paused: Set<string>;
  readonly #waiting = new Map<number, (sinks: readonly SinkStatus[] | undefined) => void>();
  readonly #asking = new Map<number, (answer: LastAnswer | undefined) => void>();
  #child: ChildProcess | undefined;
  #statuses = new Map<string, SinkStatus>();
  /** Counts of the processes before this one. */
  #before = new Map<string, Pick<SinkStatus, "rows" | "chunks" | "failures">>();
  #heardUs = 0;
  #startedUs = 0;
  #nextId = 1;
  #failures = 0;
  #gone: string | undefined;
  #retry: Timer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: SinksProcessOptions, paused: readonly string[]) {
    this.#options = options;
    this.#paused = new Set(paused);
  }

  static async start(options: SinksProcessOptions): Promise<SinksProcess> {
    await ownDirectory(options.directory, options.log);
    const sinks = new SinksProcess(options, await readPaused(options.directory, options.log));
    sinks.#begin();
    return sinks;
  }

  /** Where the lists of dead letters lie. */
  get directory(): string {
    return this.#options.directory;
  }

  /** Of the process, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get all(): KnownSink[] {
    const { sinks, last } = this.#options;
    const known = sinks.map((sink) => this.#known(sink.name, kindOf(sink)));
    return last === null ? known : [...known, this.#known(LAST_SINK_NAME, "last")];
  }

  /** One by its name. */
  get(name: string): KnownSink | undefined {
    return this.all.find((sink) => sink.name === name);
  }

  /** Does what an operator wants. A pause and its end are durable, also while the process is down. */
  async command(command: SinkCommand): Promise<Outcome<KnownSink, "not-found" | "down">> {
    const { name } = command;
    if (this.get(name) === undefined) return refuse("not-found", `There is no sink ${name.slice(0, 64)}.`);
    if (command.do !== "rebuild") await this.#keepPaused(name, command.do === "pause");
    const isTold = await this.#tell(command);
    if (!isTold && command.do === "rebuild") return refuse("down", "The process of the sinks does not answer.");
    return accept(this.get(name)!);
  }

  /** Whether last values are in memory there. */
  get hasLast(): boolean {
    return this.#options.last !== null;
  }

  /** Newest readings; undefined when the process does not answer. */
  last(ask: LastAsk): Promise<LastAnswer | undefined> {
    if (this.#child === undefined) return Promise.resolve(undefined);
    return this.#ask(this.#asking, (id) => ({ do: "last", id, ask }), LAST_ANSWER_MS);
  }

  /** Ends the process behind what it is doing, or after a while at once. Calling it again waits for the same end. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  #known(name: string, kind: string): KnownSink {
    const status = this.#statuses.get(name);
    const before = this.#before.get(name);
    const silentMs = (this.#options.clock.monotonicUs() - this.#heardUs) / 1000;
    const isSilent = this.#gone === undefined && silentMs >= SILENT_MS;
    const trouble = isSilent
      ? `The process of the sinks says nothing for ${Math.floor(silentMs / 1000)} s.`
      : this.#gone;
    const known = {
      name,
      kind,
      offset: status?.offset ?? null,
      rows: (before?.rows ?? 0) + (status?.rows ?? 0),
      chunks: (before?.chunks ?? 0) + (status?.chunks ?? 0),
      failures: (before?.failures ?? 0) + (status?.failures ?? 0),
      deadLetters: status?.deadLetters ?? { countedFrom: 0, total: 0, missing: {} },
      details: status?.details ?? {},
    };
    if (trouble !== undefined) return { ...known, state: "down", problem: trouble };
    return { ...known, state: status?.phase ?? "opening", problem: status?.problem ?? null };
  }

  #begin(): void {
    const { clock, log, socket, directory, sinks, sites, last } = this.#options;
    // A sink has one thing under way in a disk: however many disks hang, threads are left for the others.
    const threads =
      Math.max(THREADS, Number(process.env["UV_THREADPOOL_SIZE"]) || 0) + sinks.length + (last === null ? 0 : 1);
    const child = spawn(process.execPath, [...HEAP, programFile()], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
    });
    this.#child = child;
    this.#startedUs = clock.monotonicUs();
    this.#heardUs = this.#startedUs;
    this.#gone = undefined;
    child.on("message", (message) => this.#heard(message as FromSinks));
    let isOver = false;
    const over = (detail: string): void => {
      if (isOver) return;
      isOver = true;
      this.#lost(detail);
    };
    child.on("error", (error) => over(error.message));
    child.on("exit", (code, signal) => over(`exit ${code ?? signal}`));
    const paused = [...this.#paused];
    this.#send({ do: "start", with: { socket, directory, sinks, sites, last, paused } });
    log.info("sinks-started", { pid: child.pid ?? null, sinks: sinks.map(({ name }) => name) });
  }

  #lost(detail: string): void {
    this.#child = undefined;
    for (const waiting of [this.#waiting, this.#asking]) {
      for (const answer of waiting.values()) answer(undefined);
      waiting.clear();
    }
    for (const [name, { rows, chunks, failures }] of this.#statuses) {
      const { rows: r, chunks: c, failures: f } = this.#before.get(name) ?? { rows: 0, chunks: 0, failures: 0 };
      this.#before.set(name, { rows: r + rows, chunks: c + chunks, failures: f + failures });
      this.#statuses.set(name, { ...this.#statuses.get(name)!, rows: 0, chunks: 0, failures: 0 });
    }
    if (this.#closing !== undefined) return;
    const { clock, log } = this.#options;
    if (clock.monotonicUs() - this.#startedUs >= SOUND_MS * 1000) this.#failures = 0;
    const againInMs = Math.min(BACK_OFF_LAST_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(this.#failures++, 20));
    this.#gone = `The process of the sinks ended (${detail}) and is started again.`;
    log.warn("sinks-gone", { detail, againInMs });
    this.#retry = clock.after(againInMs, () => this.#begin());
  }

  #heard(message: FromSinks): void {
    this.#heardUs = this.#options.clock.monotonicUs();
    if (message.is === "log") return this.#options.log[message.level](message.event, message.fields);
    if (message.is === "last") {
      this.#asking.get(message.id)?.(message.answer);
      this.#asking.delete(message.id);
      return undefined;
    }
    this.#statuses = new Map(message.sinks.map((status) => [status.name, status]));
    if (message.id === undefined) return;
    this.#waiting.get(message.id)?.(message.sinks);
    this.#waiting.delete(message.id);
  }

  /** Whether the process took a command. */
  async #tell(command: SinkCommand): Promise<boolean> {
    if (this.#child === undefined) return false;
    const sinks = await this.#ask(this.#waiting, (id) => ({ do: "command", id, command }), ANSWER_MS);
    return sinks !== undefined && sinks.length > 0;
  }

  /** Sends a message with a number and waits for the answer under it; undefined when none comes in time. */
  #ask<Value>(
    waiting: Map<number, (answer: Value | undefined) => void>,
    message: (id: number) => ToSinks,
    waitMs: number,
  ): Promise<Value | undefined> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const limit = this.#options.clock.after(waitMs, () => {
        waiting.delete(id);
        resolve(undefined);
      });
      waiting.set(id, (answer) => {
        limit.cancel();
        resolve(answer);
      });
      this.#send(message(id));
    });
  }

  #send(message: ToSinks): void {
    // A process that goes tells by its end.
    if (this.#child?.connected === true) this.#child.send(message, () => {});
  }

  async #keepPaused(name: string, isPaused: boolean): Promise<void> {
    if (this.#paused.has(name) === isPaused) return;
    if (isPaused) this.#paused.add(name);
    else this.#paused.delete(name);
    await replaceFile(pausedFile(this.#options.directory), `${JSON.stringify({ paused: [...this.#paused] })}\n`);
  }

  async #close(): Promise<void> {
    this.#retry?.cancel();
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
    const { clock, log } = this.#options;
    const late = new Promise<void>((resolve) => {
      const limit = clock.after(STOP_MS, () => {
        log.warn("sinks-not-ended", { pid: child.pid ?? null });
        child.kill("SIGKILL");
        // What hangs in a disk that is away does not even die; it is left to the system.
        clock.after(ANSWER_MS / 5, resolve);
      });
      void ended.then(() => limit.cancel());
    });
    this.#send({ do: "stop" });
    await Promise.race([ended, late]);
    child.unref();
  }
}

/** In the bundle it is a file beside the collector's. */
function programFile(): string {
  if (import.meta.url.endsWith(".ts")) return fileURLToPath(new URL("main.ts", import.meta.url));
  const names = ["paddock-sinks.mjs", "../paddock-sinks.mjs"];
  const paths = names.map((name) => fileURLToPath(new URL(name, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? paths[0]!;
}

function pausedFile(directory: string): string {
  return join(directory, "paused.json");
}

async function readPaused(directory: string, log: Log): Promise<readonly string[]> {
  try {
    return v.parse(PausedFile, JSON.parse(await readFile(pausedFile(directory), "utf8"))).paused;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    await setAside(log, pausedFile(directory), error, "no sink paused");
    return [];
  }
}
