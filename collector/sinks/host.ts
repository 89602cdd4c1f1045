import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Random } from "@paddock/base/random.ts";
import { kindOf, LAST_SINK_NAME, type LastConfig, type SinkConfig } from "./config.ts";
import { deadLetterFile, DeadLetters } from "./dead-letters.ts";
import { Feed } from "./feed.ts";
import { SINK_KINDS } from "./kinds.ts";
import type { LastAnswer, LastAsk } from "./last/ask.ts";
import { LastRoom } from "./last/last-room.ts";
import type { SinkCommand, SinksStart } from "./messages.ts";
import type { SinkStatus } from "./report.ts";
import { SinkRunner } from "./runner.ts";
import { Sites } from "./sites.ts";

/** Bytes of payloads that one sink gathers at most, with one batch more. */
const CHUNK_BYTES_MAX = 8 << 20;
const REPORT_MS = 1000;
/** Rows that the last values take at once, and the longest wait for them: what is new is told soon. */
const LAST_ROWS = 10_000;
const LAST_DELAY_MS = 100;
/** Of a process without last values, which nobody asks. */
const NO_ANSWER: LastAnswer = { values: [], next: null, offset: null, isWhole: false, notes: [] };

export interface HostOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Hears how all sinks are, each second. */
  readonly report: (sinks: readonly SinkStatus[]) => void;
}

/** The sinks of a collector, each with a runner and a feed of its own. */
export class SinksHost {
  readonly #options: HostOptions;
  readonly #runners = new Map<string, SinkRunner>();
  #last: LastRoom | undefined;
  #timer: Timer | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  async start({ sinks, sites: configured, ...start }: SinksStart): Promise<void> {
    const sites = new Sites(configured, start.socket, this.#options.clock);
    for (const sink of sinks) {
      const path = deadLetterFile(start.directory, sink.name);
      const deadLetters = await DeadLetters.open(path, this.#options.log);
      this.#runners.set(sink.name, this.#runner(sink, start, sites, deadLetters));
    }
    if (start.last !== null) await this.#startLast(start.last, { ...start, sinks }, sites);
    this.#report();
  }

  /** The newest readings that somebody asks for. */
  last(ask: LastAsk): Promise<LastAnswer> {
    return this.#last === undefined ? Promise.resolve(NO_ANSWER) : this.#last.tiers.answer(ask);
  }

  get statuses(): SinkStatus[] {
    return [...this.#runners.values()].map(({ status }) => status);
  }

  command(command: SinkCommand): void {
    const runner = this.#runners.get(command.name);
    if (command.do === "rebuild") runner?.rebuild(command.place);
    else if (command.do === "pause") runner?.pause();
    else runner?.resume();
  }

  /** Ends each sink behind what it is doing, which may take as long as its disk or server does. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#last?.tiers.close();
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
  }

  async #startLast(config: LastConfig, start: Omit<SinksStart, "sites">, sites: Sites): Promise<void> {
    const { clock, random, log } = this.#options;
    const { socket, directory, paused } = start;
    const name = LAST_SINK_NAME;
    const offset = (): number | undefined => this.#runners.get(name)?.status.offset ?? undefined;
    const room = new LastRoom(config, start, offset, { clock, log });
    this.#last = room;
    const runner = new SinkRunner({
      name,
      kind: "last",
      make: () => Promise.resolve(room.sink),
      openFeed: (place) => new Feed({ socket, clock, random }, place),
      sites,
      deadLetters: await DeadLetters.open(deadLetterFile(directory, name), log),
      limits: { maxRows: LAST_ROWS, maxDelayMs: LAST_DELAY_MS, maxBytes: CHUNK_BYTES_MAX },
      isPaused: paused.includes(name),
      clock,
      random,
      log,
    });
    this.#runners.set(name, runner);
  }

  #runner(
    sink: SinkConfig,
    { socket, paused }: Pick<SinksStart, "socket" | "paused">,
    sites: Sites,
    deadLetters: DeadLetters,
  ): SinkRunner {
    const { clock, random, log } = this.#options;
    const { name } = sink;
    const kind = SINK_KINDS[kindOf(sink)];
    return new SinkRunner({
      name,
      kind: kindOf(sink),
      make: () => kind.make(sink, { name, clock, log }),
      openFeed: (place) => new Feed({ socket, clock, random }, place),
      sites,
      deadLetters,
      limits: {
        maxRows: sink.maxRows ?? kind.maxRows,
        maxDelayMs: sink.maxDelayMs ?? kind.maxDelayMs,
        maxBytes: CHUNK_BYTES_MAX,
      },
      isPaused: paused.includes(name),
      clock,
      random,
      log,
    });
  }

  #report(): void {
    this.#options.report(this.statuses);
    this.#timer = this.#options.clock.after(REPORT_MS, () => this.#report());
  }
}
