import { PaddockError } from "@paddock/base/errors.ts";
import type { LogPlace } from "../../log/log-place.ts";
import { newestOf } from "../newest.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { ChannelBook } from "./channels.ts";
import { connectSql, type SqlConnection } from "./connection.ts";
import { dateRows, knownDatings } from "./datings.ts";
import { latestStatements, rebuildLatest } from "./latest.ts";
import { lossTuples } from "./losses.ts";
import { damaged, migrate } from "./migrate.ts";
import { formatServer, type SqlSinkOptions } from "./options.ts";
import { placeStatement, readPlace } from "./place.ts";
import { statementsOf } from "./statements.ts";
import { insertHead, readingTuple, undatedTuple } from "./tuples.ts";

/** Rows that one statement forgets. */
const FORGOTTEN_AT_ONCE = 10_000;
/** A server that takes less than this in one packet might not take the largest row. */
const PACKET_MIN = 1_048_576;
/** More in one statement gains nothing. */
const STATEMENT_BYTES_MAX = 4_194_304;
/** Of a packet, for its head. */
const PACKET_HEAD_BYTES = 1024;

interface Session {
  readonly connection: SqlConnection;
  readonly bytesMax: number;
}

/**
 * Rows to tables of MariaDB or MySQL, each chunk in one transaction with the place behind it. One sink has a database of
 * its own, or a share of somebody else's: all its names begin with `paddock_`.
 */
export class SqlSink implements Sink {
  readonly #options: SqlSinkOptions;
  readonly #connect: (options: SqlSinkOptions) => Promise<SqlConnection>;
  readonly #channels = new ChannelBook();
  #session: Session | undefined;
  #version: string | null = null;
  #rowsWritten = 0;

  constructor(options: SqlSinkOptions, connect = connectSql) {
    this.#options = options;
    this.#connect = connect;
  }

  async open(): Promise<SinkState> {
    this.#drop();
    return this.#using(await this.#ready(), async ({ connection }) => {
      const { place } = await this.#place(connection, false);
      return { place, datings: await knownDatings(connection) };
    });
  }

  async write(chunk: RowChunk): Promise<void> {
    let isNew = false;
    await this.#transaction(async (session) => {
      const { connection } = session;
      const { place } = await this.#place(connection, true);
      const { from, place: behind, datings } = chunk;
      if (place !== undefined && place.log !== behind.log && place.log !== undefined && behind.log !== undefined) {
        throw this.#refusal(`it holds rows of log ${place.log}, and these are of log ${behind.log}`);
      }
      // It was kept, and the answer to COMMIT got lost.
      if (place !== undefined && place.offset >= behind.offset && behind.offset > from) return;
      if (place !== undefined && place.offset !== from) {
        throw this.#refusal(`it stands at log offset ${place.offset}, and these rows begin at ${from}`);
      }
      await this.#insert(session, chunk);
      for (const dating of datings) await dateRows(connection, dating, from);
      await connection.run(placeStatement(behind));
      isNew = true;
    });
    if (isNew) this.#rowsWritten += chunk.rows.length;
  }

  async rewind(offset: number, place: LogPlace): Promise<LogPlace> {
    // First the place: whatever ends this now, the next start goes on with it.
    await this.#transaction(async ({ connection }) => {
      await this.#place(connection, true);
      await connection.run(placeStatement({ ...place, offset }, true));
    });
    await this.#using(await this.#ready(), ({ connection }) => this.#forgetFrom(connection, { ...place, offset }));
    return place;
  }

  report(): Readonly<Record<string, string | number | null>> {
    return {
      server: formatServer(this.#options),
      database: this.#options.database,
      version: this.#version,
      connected: this.#session === undefined || this.#session.connection.isLost() ? "no" : "yes",
      rowsWritten: this.#rowsWritten,
      channelsInMemory: this.#channels.size,
    };
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.connection.close();
  }

  async #insert({ connection, bytesMax }: Session, chunk: RowChunk): Promise<void> {
    const { rows } = chunk;
    const channels = this.#channels;
    await channels.learn(connection, rows, bytesMax);
    const readings = rows.values().map((row) => readingTuple(row, channels.idOf(row)));
    let underWay: Promise<unknown> = Promise.resolve();
    for (const statement of statementsOf(insertHead("paddock_readings"), readings, bytesMax)) {
      await underWay;
      underWay = connection.run(statement);
    }
    const newest = newestOf(rows, (row) => channels.idOf(row));
    await underWay;
    for (const statement of latestStatements(newest, bytesMax)) await connection.run(statement);
    const undated = rows.values().flatMap((row) => (row.timeBy === "collector" ? [undatedTuple(row)] : []));
    for (const statement of statementsOf(insertHead("paddock_undated"), undated, bytesMax)) {
      await connection.run(statement);
    }
    for (const statement of statementsOf(insertHead("paddock_losses"), lossTuples(chunk), bytesMax)) {
      await connection.run(statement);
    }
  }

  /** Rows from the place on go, and `latest` of their channels is found again; then the place alone stands. */
  async #forgetFrom(connection: SqlConnection, place: LogPlace): Promise<void> {
    const { offset } = place;
    for (const table of ["paddock_readings", "paddock_undated", "paddock_losses"]) {
      const isLeft = async (): Promise<boolean> =>
        (await connection.run(`SELECT 1 AS there FROM ${table} WHERE log_offset>=${offset} LIMIT 1`)).length > 0;
      // By the end of the primary key, so that a half-done rewind has forgotten the newest.
      const order = table === "paddock_readings" ? " ORDER BY log_offset DESC, part DESC" : "";
      while (await isLeft()) {
        await connection.run(`DELETE FROM ${table} WHERE log_offset>=${offset}${order} LIMIT ${FORGOTTEN_AT_ONCE}`);
      }
    }
    await connection.run(`DELETE FROM paddock_datings WHERE log_offset>=${offset}`);
    const touched = await connection.run(`SELECT channel_id AS id FROM paddock_latest WHERE log_offset>=${offset}`);
    for (const { id } of touched) await rebuildLatest(connection, Number(id));
    await connection.run(placeStatement(place));
  }

  async #place(connection: SqlConnection, lock: boolean) {
    const kept = await readPlace(connection, lock);
    if (kept !== undefined) return kept;
    throw damaged(this.#options.database, "paddock_sink has no row with the place of the sink in the log");
  }

  async #expectEmpty(connection: SqlConnection): Promise<void> {
    const [row] = await connection.run("SELECT 1 AS there FROM paddock_readings LIMIT 1");
    if (row !== undefined) {
      throw damaged(this.#options.database, "paddock_readings has rows, and paddock_sink has no place in the log");
    }
  }

  async #transaction(work: (session: Session) => Promise<void>): Promise<void> {
    await this.#using(await this.#ready(), async (session) => {
      await session.connection.run("START TRANSACTION");
      await work(session);
      await session.connection.run("COMMIT");
      this.#channels.keep();
    });
  }

  /** Whatever fails, the session is over: the server undoes what was not committed. */
  async #using<Result>(session: Session, work: (session: Session) => Promise<Result>): Promise<Result> {
    try {
      return await work(session);
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  /** A session at a database that is whole. */
  async #ready(): Promise<Session> {
    if (this.#session !== undefined && !this.#session.connection.isLost()) return this.#session;
    this.#drop();
    const session = await this.#openSession();
    return this.#using(session, async ({ connection }) => {
      await migrate(connection, this.#options.database);
      const { place, isRewinding } = await this.#place(connection, false);
      if (place === undefined) await this.#expectEmpty(connection);
      else if (isRewinding) await this.#forgetFrom(connection, place);
      return session;
    });
  }

  async #openSession(): Promise<Session> {
    const connection = await this.#connect(this.#options);
    try {
      const [row] = await connection.run("SELECT VERSION() AS version, @@max_allowed_packet AS packet");
      const packet = Number(row?.["packet"]);
      if (!(packet >= PACKET_MIN)) {
        throw new PaddockError(
          "SINK_REFUSED",
          `The server at ${formatServer(this.#options)} takes ${packet} bytes in one packet; the largest row needs ${PACKET_MIN}.`,
          { remedy: "Raise max_allowed_packet of the server: its default of 16 MiB is enough." },
        );
      }
      this.#version = String(row?.["version"]);
      const bytesMax = Math.min(packet, STATEMENT_BYTES_MAX) - PACKET_HEAD_BYTES;
      this.#session = { connection, bytesMax };
      return this.#session;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  #drop(): void {
    this.#session?.connection.destroy();
    this.#session = undefined;
    this.#channels.forget();
  }

  #refusal(what: string): PaddockError {
    return new PaddockError("SINK_REFUSED", `The database ${this.#options.database}: ${what}.`, {
      remedy:
        "Give each collector a database of its own. If another one wrote here by mistake, rebuild: paddock collector sinks rebuild NAME --from 0.",
    });
  }
}
