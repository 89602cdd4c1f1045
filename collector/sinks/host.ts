import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Random } from "@paddock/base/random.ts";
import { kindOf, type SinkConfig } from "./config.ts";
import { deadLetterFile, DeadLetters } from "./dead-letters.ts";
import { Feed } from "./feed.ts";
import { SINK_KINDS } from "./kinds.ts";
import type { SinkCommand, SinksStart } from "./messages.ts";
import type { SinkStatus } from "./report.ts";
import { SinkRunner } from "./runner.ts";
import { Sites } from "./sites.ts";

/** Bytes of payloads that one sink gathers at most, with one batch more. */
const CHUNK_BYTES_MAX = 8 << 20;
const REPORT_MS = 1000;

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
    this.#report();
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
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
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
