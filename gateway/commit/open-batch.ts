import type { SideEntry } from "@paddock/store/types.ts";
import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import { encodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { PAYLOAD_BYTES_MAX, RECORDS_MAX } from "@paddock/wire/limits.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { Committed, IncomingFrame, NoteBook } from "./frame-sink.ts";
import { LOSS_RANGES_MAX, LOSS_RECORDS_MAX } from "./losses.ts";

/** The source of the records that the gateway writes itself. docs/protocol.md §2.2. */
export const GATEWAY_SOURCE = encodeSource("paddock");

/**
 * Room that frames leave for the gateway's own records, so that the loss records always fit the batch that evicts: at
 * their longest encoding they have 64 bytes each and 18 a range, and a clock-step beside them 48.
 */
const OWN_BYTES = 48 + LOSS_RECORDS_MAX * 64 + LOSS_RANGES_MAX * 18;
const OWN_RECORDS = LOSS_RECORDS_MAX + 1;

/**
 * One batch in the making. Frames are written straight into its payload buffer, which is used again after the batch
 * became durable: at full load nothing is allocated per frame.
 */
export class OpenBatch {
  readonly #buffer = Buffer.allocUnsafeSlow(PAYLOAD_BYTES_MAX);
  #length = 0;
  #count = 0;
  #frames = 0;
  /** Length and count without the loss records, which are written last and may be written anew. */
  #withoutLoss: { length: number; count: number } | undefined;
  readonly #side = new Map<string, SideEntry>();
  /** What the frames noted, as pairs of halves: RECORDS_MAX of them at most. */
  readonly #notes = new Map<NoteBook, number[]>();
  #book: NoteBook | undefined;
  #bookNotes: number[] = [];
  readonly committed: Committed[] = [];
  /** CLOCK_MONOTONIC in µs from which record offsets count. */
  monotonicUs = 0;
  /** Unix ms believed at `monotonicUs`. */
  wallMs = 0;
  clock: ClockQuality = 0;
  /** Somebody waits for this batch, or its linger ran out: write it as soon as the disk is free. */
  due = false;

  begin(monotonicUs: number, wallMs: number, clock: ClockQuality): void {
    this.monotonicUs = monotonicUs;
    this.wallMs = wallMs;
    this.clock = clock;
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  /** Records, the gateway's own among them. */
  get count(): number {
    return this.#count;
  }

  /** Records that sensors sent. */
  get frames(): number {
    return this.#frames;
  }

  /** A view; valid until `reset`. */
  get payload(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Whether frames brought states that count them as taken. */
  get hasStates(): boolean {
    return this.#side.size > 0;
  }

  /** What becomes durable beside the batch. */
  sideOf(lane: Lane): SideEntry[] {
    const entries = [...this.#side.values()];
    for (const [book, notes] of this.#notes) {
      if (notes.length > 0) entries.push(book.entry(lane, this.monotonicUs, notes));
    }
    return entries;
  }

  /** Adds the frame if it fits; false leaves the batch as it was. */
  add(frame: IncomingFrame, committed: Committed | undefined): boolean {
    // Frames of several sockets may come a few µs out of order; an offset cannot be negative.
    const offset = Math.max(0, frame.receivedUs - this.monotonicUs);
    const size = recordSize(offset, frame.encodedSource, frame.format, frame.frame.length);
    if (this.#length + size > PAYLOAD_BYTES_MAX - OWN_BYTES || this.#count >= RECORDS_MAX - OWN_RECORDS) return false;
    this.#length = writeRecord(this.#buffer, this.#length, offset, frame.encodedSource, frame.format, frame.frame);
    this.#count++;
    if (frame.format !== FORMAT_GATEWAY) this.#frames++;
    if (frame.side !== undefined) this.#side.set(frame.side.key, frame.side);
    const { note } = frame;
    if (note !== undefined) this.#notesFor(note.book).push(note.low, note.high);
    if (committed !== undefined) this.committed.push(committed);
    return true;
  }

  /** Adds a record of the gateway's own. Room for it is kept free. */
  addOwn(record: GatewayRecord): void {
    const frame = encodeGatewayRecord(record);
    this.#length = writeRecord(this.#buffer, this.#length, 0, GATEWAY_SOURCE, FORMAT_GATEWAY, frame);
    this.#count++;
  }

  /** Puts the loss records at the end, in place of those that were there. */
  setLoss(records: readonly GatewayRecord[]): void {
    if (this.#withoutLoss !== undefined) {
      this.#length = this.#withoutLoss.length;
      this.#count = this.#withoutLoss.count;
    }
    this.#withoutLoss = { length: this.#length, count: this.#count };
    for (const record of records) this.addOwn(record);
  }

  /** There is one book, as a rule. */
  #notesFor(book: NoteBook): number[] {
    if (book === this.#book) return this.#bookNotes;
    let notes = this.#notes.get(book);
    if (notes === undefined) this.#notes.set(book, (notes = []));
    this.#book = book;
    this.#bookNotes = notes;
    return notes;
  }

  reset(): void {
    this.#length = 0;
    this.#count = 0;
    this.#frames = 0;
    this.#withoutLoss = undefined;
    this.#side.clear();
    for (const notes of this.#notes.values()) notes.length = 0;
    this.committed.length = 0;
    this.due = false;
  }
}
