import { hexOf } from "../chain-name.ts";
import type { WholeBatch, WholeItem } from "../log/log-items.ts";
import { DatingBook } from "./dating.ts";
import type { DeadLetter, Dating, Row } from "./row.ts";
import { rowsOfBatch, type BatchRows } from "./rows.ts";
import type { MissingRecords, RowChunk } from "./sink.ts";

/** Makes rows of a batch: `rowsOfBatch`. */
export type RowMaker = (batch: WholeBatch, from: number, book: DatingBook) => BatchRows;

/** What one item added. */
export interface Added {
  /** Offset behind it. */
  readonly to: number;
  readonly rows: number;
  /** Of its payload. */
  readonly bytes: number;
}

/** Gathers what a sink is to keep at once. */
export class ChunkBuilder {
  readonly #makeRows: RowMaker;
  readonly #whyNot: ((row: Row) => string | undefined) | undefined;
  readonly #book: DatingBook;
  #from: number;
  #to: number;
  #rows: Row[] = [];
  #deadLetters: DeadLetter[] = [];
  #missing: MissingRecords[] = [];
  #datings: Dating[] = [];

  /** `from` is the log offset at which it begins; the book is what is known of boots there, and learns. */
  constructor(
    from: number,
    book: DatingBook,
    whyNot: ((row: Row) => string | undefined) | undefined,
    makeRows: RowMaker = rowsOfBatch,
  ) {
    this.#from = from;
    this.#to = from;
    this.#book = book;
    this.#whyNot = whyNot;
    this.#makeRows = makeRows;
  }

  add(item: WholeItem): Added {
    const from = Math.max(item.offset, this.#to);
    this.#to = item.offset + item.count;
    const bytes = item.lost === undefined ? (item.payload?.length ?? 0) : 0;
    const before = this.#rows.length;
    const why = item.lost ?? this.#addBatch(item, from);
    if (why !== undefined) this.#missing.push({ offset: from, count: this.#to - from, why });
    return { to: this.#to, rows: this.#rows.length - before, bytes };
  }

  /** Adds the rows of a batch, and says why when its records are none. */
  #addBatch(batch: WholeBatch, from: number): string | undefined {
    const gateway = hexOf(batch.chain.gateway);
    const dating = this.#book.note(gateway, batch);
    if (dating !== undefined) this.#datings.push(dating);
    if (batch.payload === null) return batch.damaged === true ? "damaged" : "evicted";
    const { rows, deadLetters, isReadable } = this.#makeRows(batch, from, this.#book);
    for (const row of rows) this.#addRow(row);
    for (const letter of deadLetters) this.#deadLetters.push(letter);
    return isReadable ? undefined : "undecodable";
  }

  #addRow(row: Row): void {
    const reason = this.#whyNot?.(row);
    if (reason === undefined) {
      this.#rows.push(row);
      return;
    }
    const { offset, gateway, source, name } = row;
    this.#deadLetters.push({ offset, gateway, source, reason: `${name}: ${reason}` });
  }

  /** All but the names of the sites. `gateways` are those that have rows. */
  gathered(): Omit<RowChunk, "place" | "sites"> & { readonly gateways: ReadonlySet<string> } {
    return {
      from: this.#from,
      rows: this.#rows,
      deadLetters: this.#deadLetters,
      missing: this.#missing,
      datings: this.#datings,
      gateways: new Set(this.#rows.map(({ gateway }) => gateway)),
    };
  }

  /** Begins the next chunk behind this one. */
  next(): ChunkBuilder {
    return new ChunkBuilder(this.#to, this.#book, this.#whyNot, this.#makeRows);
  }
}
