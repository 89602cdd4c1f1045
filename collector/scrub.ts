import { join } from "node:path";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { LatestUpdate } from "@paddock/base/latest-update.ts";
import type { Log } from "@paddock/base/log.ts";
import { chainBytes } from "@paddock/store/keyspace.ts";
import { verifyStore, type VerifyPosition } from "@paddock/store/verify-store.ts";
import { chainOfText } from "./chain-name.ts";
import type { Ledger } from "./ledger.ts";
import { knownPlaces, readScrubNotes, SCRUB_FILE, writeScrubNotes, type ScrubNotes } from "./scrub-notes.ts";

type ScrubLedger = Pick<Ledger, "chain" | "chains" | "damage" | "logEnd" | "verify" | "verifyLog">;

/** So slow that nobody notices: some 40 GB a day. */
const BYTES_PER_S = 512 * 1024;
/** Between two rounds over a small ledger. */
const ROUND_PAUSE_MS = 3_600_000;
/** How far it has come is noted at most so often; new damage at once. */
const NOTE_MS = 60_000;
/** Messages remembered, so as not to repeat them. */
const FAILURES_MAX = 100;

export interface ScrubProgress {
  /** Times that it went through the whole ledger. */
  readonly rounds: number;
  /** Unix ms at which the last whole round ended, or null. */
  readonly completed: number | null;
  /** Of the round under way, 0 to 1. */
  readonly share: number;
}

/**
 * Looks through the whole ledger round and round, slowly, so that damage comes to light while the other copies still
 * exist, and not when somebody asks for a record years later. What it finds is told by the store itself (`onDamage`).
 * A small file holds how far it has come and where damage was found: after a restart it looks there first, so that what
 * was known is known again by what the disk says now, and then goes on where it was.
 */
export class Scrub {
  readonly #ledger: ScrubLedger;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #noting: LatestUpdate<ScrubNotes>;
  #notes: ScrubNotes;
  #notedUs = 0;
  #notedDamage = 0;
  #knowsAgain = false;
  /** What was told as `scrub-failed` since the last whole round. */
  readonly #failures = new Set<string>();
  #work: Promise<void>;

  private constructor(ledger: ScrubLedger, path: string, notes: ScrubNotes, clock: Clock, log: Log) {
    this.#ledger = ledger;
    this.#notes = notes;
    this.#clock = clock;
    this.#log = log;
    this.#noting = new LatestUpdate((wish) =>
      writeScrubNotes(path, wish).catch((error: unknown) => this.#failed(error)),
    );
    this.#work = this.#run();
  }

  /** Begins. A damaged file is set aside and costs a round. */
  static async open(ledger: ScrubLedger, dataDir: string, clock: Clock, log: Log): Promise<Scrub> {
    const path = join(dataDir, SCRUB_FILE);
    return new Scrub(ledger, path, await readScrubNotes(path, log), clock, log);
  }

  get progress(): ScrubProgress {
    const { rounds, completed, position } = this.#notes;
    return { rounds, completed, share: position === null ? 0 : shareOf(this.#ledger, position) };
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
    // Cut short before it knew all again that was known, it leaves the file as it is.
    if (this.#knowsAgain) await this.#note();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.#lookAgain().catch((error: unknown) => this.#failed(error));
    while (!signal.aborted) {
      await this.#round().catch((error: unknown) => this.#failed(error));
      await this.#pause();
    }
  }

  /** Where damage was found before. */
  async #lookAgain(): Promise<void> {
    for (const { chain, seq } of this.#notes.batches) {
      const id = chainOfText(chain);
      if (id !== undefined && !this.#stopping.signal.aborted) await this.#ledger.verify(id, { from: seq, to: seq });
    }
    for (const offset of this.#notes.offsets) {
      if (offset < this.#ledger.logEnd()) await this.#ledger.verifyLog(offset, 1);
    }
    this.#knowsAgain = !this.#stopping.signal.aborted;
  }

  async #round(): Promise<void> {
    const { position } = this.#notes;
    let unreadable = 0;
    const found = await verifyStore(this.#ledger, {
      bytesPerSecond: BYTES_PER_S,
      clock: this.#clock,
      signal: this.#stopping.signal,
      ...(position === null ? {} : { from: position }),
      onStep: (reached) => this.#reached(reached),
      onUnreadable: (error) => {
        unreadable++;
        this.#failed(error);
      },
    });
    if (!found.complete) return;
    if (unreadable > 0) this.#log.warn("scrub-incomplete", { unreadable });
    else this.#failures.clear();
    const rounds = this.#notes.rounds + 1;
    this.#notes = { ...this.#notes, rounds, completed: this.#clock.wallMs(), position: null };
    await this.#note();
  }

  #reached(position: VerifyPosition): void {
    this.#notes = { ...this.#notes, position };
    const isNew = this.#ledger.damage().length > this.#notedDamage;
    if (isNew || this.#clock.monotonicUs() - this.#notedUs >= NOTE_MS * 1000) void this.#note();
  }

  /** Not worth a failure: without it a restart begins a new round. */
  #note(): Promise<void> {
    const damage = this.#ledger.damage();
    this.#notedUs = this.#clock.monotonicUs();
    this.#notedDamage = damage.length;
    this.#notes = { ...this.#notes, ...knownPlaces(damage) };
    return this.#noting.update(this.#notes);
  }

  /** The same trouble is told once, until a round goes through without any. */
  #failed(error: unknown): void {
    const message = messageOf(error);
    if (this.#stopping.signal.aborted || this.#failures.has(message)) return;
    if (this.#failures.size < FAILURES_MAX) this.#failures.add(message);
    this.#log.warn("scrub-failed", { message });
  }

  #pause(): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(ROUND_PAUSE_MS, resolve);
      signal.addEventListener("abort", () => {
        timer.cancel();
        resolve();
      });
    });
  }
}

/** Of the bytes of all chains, those of the ones that come before the place; the log's own entries count for nothing. */
function shareOf(ledger: Pick<Ledger, "chains">, { chain, seq }: VerifyPosition): number {
  if (chain === undefined) return 1;
  let [done, total] = [0, 0];
  for (const { id, bytes, head } of ledger.chains()) {
    const name = chainBytes(id).toString("hex");
    total += bytes;
    if (name < chain) done += bytes;
    else if (name === chain) done += bytes * Math.min(1, seq / ((head?.seq ?? 0) + 1));
  }
  return total === 0 ? 0 : done / total;
}
