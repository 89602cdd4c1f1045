import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Random } from "@paddock/base/random.ts";
import type { WholeItem } from "../log/log-items.ts";
import type { LogPlace } from "../log/log-place.ts";
import { ChunkBuilder, type RowMaker } from "./chunk.ts";
import { DatingBook } from "./dating.ts";
import type { DeadLetterReport, DeadLetters } from "./dead-letters.ts";
import { FeedClosed, PlaceDrift, type Feed } from "./feed.ts";
import { HangWatch } from "./hang-watch.ts";
import { startSink, stepSink, type SinkAction, type SinkEvent, type SinkLimits, type SinkMachine } from "./machine.ts";
import type { SinkStatus } from "./report.ts";
import type { Sink } from "./sink.ts";
import type { Sites } from "./sites.ts";

export interface RunnerOptions {
  readonly name: string;
  readonly kind: string;
  /** Makes the sink; called again until it succeeds. */
  readonly make: () => Promise<Sink>;
  readonly openFeed: (place: LogPlace) => Pick<Feed, "next" | "close" | "place" | "trouble">;
  readonly sites: Pick<Sites, "of">;
  readonly deadLetters: DeadLetters;
  readonly limits: SinkLimits;
  readonly isPaused: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** By default `rowsOfBatch`. */
  readonly makeRows?: RowMaker;
}

/** Where an empty sink begins. */
const START: LogPlace = { offset: 0, updated: 0 };

/** Feeds one sink from the log: does what its machine decides, and tells the machine how it went. */
export class SinkRunner {
  readonly #options: RunnerOptions;
  readonly #log: Log;
  readonly #hangs: HangWatch;
  #machine: SinkMachine;
  #sink: Sink | undefined;
  #feed: ReturnType<RunnerOptions["openFeed"]> | undefined;
  /** The item that is waited for, or that came while nobody gathered. */
  #pull: Promise<WholeItem> | undefined;
  #book = new DatingBook();
  #builder: ChunkBuilder | undefined;
  /** Behind what was gathered. */
  #behind: LogPlace = START;
  #timer: Timer | undefined;
  #rows = 0;
  #chunks = 0;
  #failures = 0;
  #toldProblem: string | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#log = options.log;
    const { name: sink } = options;
    this.#hangs = new HangWatch(options.clock, (phase) => this.#log.warn("sink-hangs", { sink, phase }));
    const { machine, actions } = startSink(options.limits, options.isPaused);
    this.#machine = machine;
    this.#hangs.enter(machine.phase);
    for (const action of actions) this.#perform(action);
  }

  get status(): SinkStatus {
    const { name, kind, deadLetters } = this.#options;
    const { phase, problem, place } = this.#machine;
    const { countedFrom, total, missing } = deadLetters.report;
    return {
      name,
      kind,
      phase,
      problem: this.#hangs.problem ?? problem ?? (phase === "reading" ? (this.#feed?.trouble ?? null) : null),
      offset: place?.offset ?? (phase === "reading" || phase === "writing" ? 0 : null),
      rows: this.#rows,
      chunks: this.#chunks,
      failures: this.#failures,
      deadLetters: { countedFrom, total, missing },
      details: this.#sink?.report() ?? {},
    };
  }

  get deadLetters(): DeadLetterReport {
    return this.#options.deadLetters.report;
  }

  pause(): void {
    this.#tell({ is: "pause" });
  }

  resume(): void {
    this.#tell({ is: "resume" });
  }

  /** Forgets what was kept from the place on, and goes on there. */
  rebuild(place: LogPlace): void {
    this.#tell({ is: "rebuild", place });
  }

  /** Ends it behind what it is doing. What was gathered and not kept is read again by the next one. */
  async stop(): Promise<void> {
    this.pause();
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#machine.phase !== "paused") return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #tell(event: SinkEvent): void {
    const { machine, actions } = stepSink(this.#machine, event, this.#nowMs(), this.#options.random.float());
    this.#machine = machine;
    this.#tellProblem(this.#hangs.enter(machine.phase));
    for (const action of actions) this.#perform(action);
    for (const look of this.#watchers) look();
  }

  /** A problem is told when it comes and when it goes, and not at every attempt; so is the end of what `hung`. */
  #tellProblem(hung: boolean): void {
    const { phase, problem } = this.#machine;
    const isOver = hung && problem === undefined;
    if (!isOver && (phase === "opening" || problem === this.#toldProblem)) return;
    this.#toldProblem = problem;
    const { name } = this.#options;
    if (problem === undefined) this.#log.info("sink-goes-on", { sink: name, phase });
    else if (phase === "stopped") this.#log.error("sink-stopped", { sink: name, problem });
    else this.#log.warn("sink-failed", { sink: name, problem });
  }

  #perform(action: SinkAction): void {
    switch (action.do) {
      case "open":
        return this.#run(() => this.#open());
      case "read":
        this.#feed = this.#options.openFeed(action.place ?? START);
        this.#builder = new ChunkBuilder(
          action.place?.offset ?? 0,
          this.#book,
          this.#sink?.whyNot?.bind(this.#sink),
          this.#options.makeRows,
        );
        return this.#gather();
      case "gather":
        return this.#gather();
      case "write":
        return this.#run(() => this.#write());
      case "forget":
        this.#builder = this.#builder?.next();
        return undefined;
      case "drop":
        this.#feed?.close();
        this.#feed = undefined;
        this.#pull = undefined;
        this.#builder = undefined;
        return undefined;
      case "rewind":
        return this.#run(() => this.#rewind(action.place));
      case "close":
        return this.#run(() => this.#close());
      case "wake":
        this.#timer?.cancel();
        this.#timer = this.#options.clock.after(action.inMs, () => this.#tell({ is: "due" }));
    }
  }

  /** What the sink throws is its trouble alone, and no other sink's: also what nobody foresaw. */
  #run(what: () => Promise<SinkEvent>): void {
    what().then(
      (event) => this.#tell(event),
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.#failures++;
    if (!(error instanceof PaddockError)) {
      const detail = error instanceof Error ? error.stack : messageOf(error);
      this.#log.error("sink-error", { sink: this.#options.name, message: messageOf(error), detail });
    }
    this.#tell({ is: "failed", message: error instanceof PaddockError ? error.explain() : messageOf(error) });
  }

  async #open(): Promise<SinkEvent> {
    this.#sink ??= await this.#options.make();
    const { place, datings } = await this.#sink.open();
    // With a chunk that is to be written again, the book knows what that taught it.
    if (this.#builder === undefined) this.#book = new DatingBook(datings);
    this.#log.info("sink-opened", { sink: this.#options.name, offset: place?.offset ?? 0 });
    return { is: "opened", place };
  }

  /** Takes the next item once it is there, if somebody still gathers then. */
  #gather(): void {
    const feed = this.#feed;
    if (feed === undefined) return;
    const pull = (this.#pull ??= feed.next());
    const isStill = (): boolean => pull === this.#pull && this.#machine.phase === "reading";
    pull
      .then((item) => {
        if (!isStill()) return false;
        this.#pull = undefined;
        this.#add(item);
        return true;
      })
      .catch((error: unknown) => {
        if (!isStill() || error instanceof FeedClosed) return;
        this.#pull = undefined;
        if (error instanceof PlaceDrift) this.#drift(error);
        else this.#fail(error);
      });
  }

  #add(item: WholeItem): void {
    let added;
    try {
      // No other item was asked for: the feed stands behind this one.
      this.#behind = this.#feed!.place;
      added = this.#builder!.add(item);
    } catch (error) {
      return this.#fail(error);
    }
    this.#tell({ is: "gathered", ...added });
  }

  #drift({ message }: PlaceDrift): void {
    const { name } = this.#options;
    if (this.#sink?.forget !== undefined) {
      this.#sink.forget();
      return this.#fail(new PaddockError("SINK_UNAVAILABLE", `${message} It begins anew.`));
    }
    const remedy = `To go on: paddock collector sinks rebuild ${name} --from OFFSET, which forgets its rows from there on; copy them first, they may be the only ones.`;
    this.#tell({ is: "drifted", message: `${message} The sink keeps what it has and stops. ${remedy}` });
  }

  async #write(): Promise<SinkEvent> {
    const { sites, deadLetters, clock } = this.#options;
    const { gateways, ...chunk } = this.#builder!.gathered();
    const place = { ...this.#behind, updated: clock.wallMs() };
    await deadLetters.keep(place.offset, chunk.deadLetters, chunk.missing);
    await this.#sink!.write({ ...chunk, place, sites: await sites.of(gateways) });
    this.#rows += chunk.rows.length;
    this.#chunks++;
    this.#builder = this.#builder!.next();
    return { is: "written", place };
  }

  async #rewind(place: LogPlace): Promise<SinkEvent> {
    await this.#options.deadLetters.rewind(place.offset);
    const standsAt = await this.#sink!.rewind(place.offset, place);
    this.#log.info("sink-rewound", { sink: this.#options.name, offset: standsAt.offset });
    return { is: "rewound", place: standsAt };
  }

  async #close(): Promise<SinkEvent> {
    const sink = this.#sink;
    this.#sink = undefined;
    await sink?.close();
    return { is: "closed" };
  }

  #nowMs(): number {
    return this.#options.clock.monotonicUs() / 1000;
  }
}
