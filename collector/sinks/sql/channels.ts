import { createHash } from "node:crypto";
import type { Row } from "../row.ts";
import type { SqlConnection } from "./connection.ts";
import { bytesLiteral, nullableText, textLiteral } from "./literals.ts";
import { statementsOf } from "./statements.ts";

/** Channels whose numbers are remembered; with more, all are asked for again. */
const REMEMBERED_MAX = 100_000;
/** Keys that one question names. */
const ASKED_MAX = 1000;

type ChannelRow = Pick<Row, "gateway" | "source" | "name" | "unit">;

/** A channel is what can be drawn as one curve: one name of one source of one gateway in one unit. */
function channelText({ gateway, source, name, unit }: ChannelRow): string {
  // No two channels have the same text, whatever characters a sensor puts into its names.
  return JSON.stringify([gateway, source, name, unit]);
}

function channelKey(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** What was measured: the name behind its last `/` or `:`. */
export function measurementOf(name: string): string {
  const own = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf(":")) + 1);
  return own === "" ? name : own;
}

/** Numbers of channels. What was learned in a transaction is known to the next one only once it was kept. */
export class ChannelBook {
  readonly #known = new Map<string, number>();
  #learned = new Map<string, number>();
  // Rows of one channel mostly share their strings: the text of each need not be made again.
  #ids = new Map<string, Map<string, Map<string, Map<string | null, number>>>>();

  /** Number of channels that are remembered. */
  get size(): number {
    return this.#known.size;
  }

  /** Learns the numbers of all channels of the rows, and makes those that are new. */
  async learn(connection: SqlConnection, rows: readonly Row[], bytesMax: number): Promise<void> {
    this.#ids = new Map();
    const missing = new Map<string, ChannelRow>();
    for (const row of rows) {
      if (this.#peek(row) !== undefined) continue;
      const text = channelText(row);
      const id = this.#known.get(text) ?? this.#learned.get(text);
      if (id === undefined) missing.set(text, row);
      else this.#put(row, id);
    }
    if (missing.size === 0) return;
    await this.#ask(connection, missing);
    const unmade = new Map([...missing].filter(([text]) => !this.#learned.has(text)));
    if (unmade.size > 0) {
      for (const statement of creationOf(unmade, bytesMax)) await connection.run(statement);
      await this.#ask(connection, unmade);
    }
    for (const [text, row] of missing) this.#put(row, this.#learned.get(text)!);
  }

  /** The number of the row's channel, which was learned before. */
  idOf(row: ChannelRow): number {
    return this.#peek(row)!;
  }

  /** What was learned since the last call stands in the database. */
  keep(): void {
    if (this.#known.size + this.#learned.size > REMEMBERED_MAX) this.#known.clear();
    for (const [text, id] of this.#learned) this.#known.set(text, id);
    this.#learned = new Map();
  }

  /** Nothing is known of the database any more. */
  forget(): void {
    this.#known.clear();
    this.#learned = new Map();
    this.#ids = new Map();
  }

  async #ask(connection: SqlConnection, channels: ReadonlyMap<string, ChannelRow>): Promise<void> {
    const texts = [...channels.keys()];
    for (let at = 0; at < texts.length; at += ASKED_MAX) {
      const keys = new Map(texts.slice(at, at + ASKED_MAX).map((text) => [channelKey(text).toString("hex"), text]));
      const list = [...keys.keys()].map((hex) => `x'${hex}'`).join(",");
      const found = await connection.run(
        `SELECT id, LOWER(HEX(channel_key)) AS hex FROM paddock_channels WHERE channel_key IN (${list})`,
      );
      for (const { id, hex } of found) this.#learned.set(keys.get(String(hex))!, Number(id));
    }
  }

  #peek({ gateway, source, name, unit }: ChannelRow): number | undefined {
    return this.#ids.get(gateway)?.get(source)?.get(name)?.get(unit);
  }

  #put({ gateway, source, name, unit }: ChannelRow, id: number): void {
    const names = inner(inner(this.#ids, gateway), source);
    inner(names, name).set(unit, id);
  }
}

function inner<Key, Value>(outer: Map<string, Map<Key, Value>>, key: string): Map<Key, Value> {
  let found = outer.get(key);
  if (found === undefined) outer.set(key, (found = new Map<Key, Value>()));
  return found;
}

/** Another writer may have made one meanwhile, which then stays as it is. */
function creationOf(channels: ReadonlyMap<string, ChannelRow>, bytesMax: number): Iterable<string> {
  const tuples = [...channels].map(([text, { gateway, source, name, unit }]) => {
    const words = [gateway, source, name].map(textLiteral).join(",");
    const drawn = `${nullableText(unit)},${textLiteral(measurementOf(name))}`;
    return `(${bytesLiteral(channelKey(text))},${words},${drawn})`;
  });
  const head = "INSERT INTO paddock_channels (channel_key,gateway,source,name,unit,measurement) VALUES ";
  return statementsOf(head, tuples, bytesMax, " ON DUPLICATE KEY UPDATE id=id");
}
