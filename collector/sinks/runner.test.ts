import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock, VirtualClock, type Clock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer } from "@paddock/store/testing/sealer.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import type { WholeItem } from "../log/log-items.ts";
import type { LogPlace } from "../log/log-place.ts";
import { DeadLetters } from "./dead-letters.ts";
import { PlaceDrift } from "./feed.ts";
import type { Row } from "./row.ts";
import { HANGS_AFTER_MS } from "./hang-watch.ts";
import { SinkRunner } from "./runner.ts";
import type { RowChunk, Sink, SinkState } from "./sink.ts";
import { chunkAt, rowAt } from "./testing/rows.ts";

let directory: string;
let events: string[];
let runner: SinkRunner;
/** What all feeds throw. */
let drift: PlaceDrift | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-runner-"));
  events = [];
  drift = undefined;
});

afterEach(async () => {
  await runner.stop();
  await rm(directory, { recursive: true, force: true });
});

const note = (event: string): void => void events.push(event);
const log: Log = { debug: note, info: note, warn: note, error: note };

/** A sink in memory that fails as often as it is told to, after it kept the chunk or before. */
class MemorySink implements Sink {
  readonly chunks: RowChunk[] = [];
  readonly failures: ("before" | "after" | "bug")[];
  opened = 0;

  constructor(...failures: ("before" | "after" | "bug")[]) {
    this.failures = failures;
  }

  whyNot({ offset }: Row): string | undefined {
    return offset === 2 ? "it is the third" : undefined;
  }

  open(): Promise<SinkState> {
    this.opened++;
    const datings = this.chunks.flatMap((chunk) => chunk.datings);
    return Promise.resolve({ place: this.chunks.at(-1)?.place, datings });
  }

  async write(chunk: RowChunk): Promise<void> {
    const failure = this.failures.shift();
    if (failure === "bug") throw new TypeError("undefined is not a function");
    if (failure !== "before") this.chunks.push(chunk);
    if (failure !== undefined) throw new PaddockError("SINK_UNAVAILABLE", "The disk is full.");
    return Promise.resolve();
  }

  rewind(_offset: number, place: LogPlace): Promise<LogPlace> {
    return Promise.resolve(place);
  }

  report(): Record<string, never> {
    return {};
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A feed of batches of one record each, and then of nothing. */
class ListFeed {
  readonly trouble = undefined;
  readonly #items: readonly WholeItem[];
  #at: number;
  #close: (error: Error) => void = () => {};

  constructor(items: readonly WholeItem[], { offset }: LogPlace) {
    this.#items = items;
    this.#at = offset;
  }

  get place(): LogPlace {
    return { offset: this.#at, updated: 0, log: "5".repeat(32), behind: null };
  }

  next(): Promise<WholeItem> {
    if (drift !== undefined) return Promise.reject(drift);
    const item = this.#items[this.#at];
    if (item === undefined) return new Promise((_, reject) => (this.#close = reject));
    this.#at++;
    return Promise.resolve(item);
  }

  close(): void {
    this.#close(new Error("closed"));
  }
}

async function run(sink: Sink, records: number, clock: Clock = systemClock): Promise<void> {
  const sealer = new Sealer();
  const items = sealer.sealMany(records).map(({ header, payload, seq }, offset) => {
    const decoded = expectAccepted(decodeHeader(header));
    return { header, payload, seq, decoded, offset, count: 1, received: 7, chain: sealer.chain };
  });
  runner = new SinkRunner({
    name: "a",
    kind: "files",
    make: () => Promise.resolve(sink),
    openFeed: (place) => new ListFeed(items, place),
    sites: { of: (gateways) => Promise.resolve(new Map([...gateways].map((id) => [id, "north"]))) },
    deadLetters: await DeadLetters.open(join(directory, "a.dead.json"), log),
    limits: { maxRows: 3, maxBytes: 1 << 20, maxDelayMs: 5 },
    isPaused: false,
    clock,
    random: seededRandom(1),
    log,
    makeRows: ({ offset }) => ({ rows: [rowAt(offset)], deadLetters: [], isReadable: true }),
  });
}

const kept = (sink: MemorySink) => sink.chunks.flatMap(({ rows }) => rows.map(({ offset }) => offset));
const ALL_BUT_THE_THIRD = [0, 1, 3, 4, 5, 6, 7, 8, 9];

test.each([[["before"]], [["after"]], [["bug"]], [["before", "after", "bug", "before"]]] as const)(
  "after a failure (%j) each row is kept once, and what a sink refuses is a dead letter once",
  async (failures) => {
    const sink = new MemorySink(...failures);
    await run(sink, 10);
    await until(() => expect(kept(sink)).toEqual(ALL_BUT_THE_THIRD));
    await until(() => expect(runner.status).toMatchObject({ phase: "reading", problem: null, offset: 10 }));
    expect(runner.status.failures).toBe(failures.length);
    expect(runner.deadLetters).toMatchObject({ total: 1, letters: [{ offset: 2, reason: /it is the third/u }] });
    for (const [index, { from, place }] of sink.chunks.entries()) {
      expect(from).toBe(sink.chunks[index - 1]?.place.offset ?? 0);
      expect(place.log).toBe("5".repeat(32));
    }
    // What taught it when a boot was is not forgotten with a chunk that failed.
    expect(sink.chunks.flatMap(({ datings }) => datings)).toHaveLength(1);
    expect(events).toContain("sink-goes-on");
    expect(events.includes("sink-error")).toBe((failures as readonly string[]).includes("bug"));
  },
);

/** Never ends what it is told to do, until it is released. */
class HangingSink extends MemorySink {
  readonly #hangsIn: "open" | "write";
  readonly #released = Promise.withResolvers<void>();

  constructor(hangsIn: "open" | "write") {
    super();
    this.#hangsIn = hangsIn;
  }

  release(): void {
    this.#released.resolve();
  }

  override async open(): Promise<SinkState> {
    if (this.#hangsIn === "open") await this.#released.promise;
    return super.open();
  }

  override async write(chunk: RowChunk): Promise<void> {
    if (this.#hangsIn === "write") await this.#released.promise;
    await super.write(chunk);
  }
}

test.each([
  ["open", "opening"],
  ["write", "writing"],
] as const)("one that hangs in %s is told, and goes on without a word from anybody", async (hangsIn, phase) => {
  const clock = new VirtualClock();
  const sink = new HangingSink(hangsIn);
  await run(sink, 4, clock);
  await until(() => expect(runner.status.phase).toBe(phase));
  clock.advance(HANGS_AFTER_MS - 1);
  expect(runner.status.problem).toBeNull();
  expect(events).not.toContain("sink-hangs");
  clock.advance(7001);
  expect(runner.status).toMatchObject({ phase, problem: expect.stringContaining(`${phase} for 22 s`) as string });
  expect(events.filter((event) => event === "sink-hangs")).toHaveLength(1);
  sink.release();
  await until(() => expect(runner.status).toMatchObject({ phase: "reading", problem: null }));
  expect(events).toContain("sink-goes-on");
  clock.advance(60_000);
  expect(runner.status.problem).toBeNull();
});

test("a place that is none of this log any more stops a sink; one that can forget all begins anew", async () => {
  drift = new PlaceDrift("The ledger was made anew.");
  const sink = new MemorySink();
  await run(sink, 10);
  await until(() => expect(runner.status).toMatchObject({ phase: "stopped", problem: /made anew.*sinks rebuild a/u }));
  await runner.stop();
  const forgetful = Object.assign(new MemorySink(), {
    forget(): void {
      forgetful.chunks.length = 0;
      drift = undefined;
    },
  });
  forgetful.chunks.push({ ...chunkAt(0, 7), rows: [] });
  await run(forgetful, 10);
  await until(() => expect(kept(forgetful)).toEqual(ALL_BUT_THE_THIRD));
  expect(runner.status).toMatchObject({ failures: 1 });
});
