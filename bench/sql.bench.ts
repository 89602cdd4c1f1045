import { SINK_KINDS } from "@paddock/collector/sinks/kinds.ts";
import type { Row as Reading } from "@paddock/collector/sinks/row.ts";
import { columnsOf } from "@paddock/collector/sinks/sql/schema.ts";
import { SqlSink } from "@paddock/collector/sinks/sql/sql-sink.ts";
import { barnChunk, barnRow } from "@paddock/collector/sinks/testing/barn.ts";
import { MARIADBS, MariadbServer } from "@paddock/hil-tests/mariadb/mariadb-server.ts";
import { createConnection } from "mysql2/promise";
import { median, round } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";

const ROWS = 60_000;
const CHANNELS = 400;
/** Of one statement: more gains nothing. */
const STATEMENT_ROWS = 1000;
const DATABASE = "paddock";

/**
 * The SQL bridge beside a bare loop of mysql2 that puts the same batches into a table of the same shape, each in one
 * transaction, in turns on one server. The loop keeps neither the newest values nor its place, and names its columns'
 * values as any program would. Needs what hil-tests/setup.sh installs.
 */
export async function sql({ quick, progress }: BenchOptions): Promise<Row[]> {
  const results: Row[] = [];
  const readings = readingsOf(quick ? ROWS / 3 : ROWS);
  for (const kind of quick ? MARIADBS.slice(0, 1) : MARIADBS) {
    const server = await MariadbServer.start(kind);
    try {
      const turns: [bridge: number, bare: number][] = [];
      for (let turn = 0; turn < (quick ? 1 : 5) + 1; turn++) {
        progress(`${kind.name}: turn ${turn}`);
        // Who goes first meets another state of the server's memory.
        const bareFirst = turn % 2 === 1 ? await rate(server, readings, writeBare) : 0;
        const bridge = await rate(server, readings, writeByBridge);
        turns.push([bridge, bareFirst || (await rate(server, readings, writeBare))]);
      }
      // The first turn is for the compiler, and for the server's files to grow.
      results.push(...rowsOf(kind.name, turns.slice(1)));
    } finally {
      await server.stop();
    }
  }
  return results;
}

type Work = (server: MariadbServer, readings: readonly Reading[]) => Promise<void>;

async function rate(server: MariadbServer, readings: readonly Reading[], work: Work): Promise<number> {
  await server.freshDatabase(DATABASE);
  // Both fill tables that the bridge made, as a server has long done with making tables when rows come.
  const sink = sinkFor(server);
  await sink.open();
  await sink.close();
  const begin = performance.now();
  await work(server, readings);
  const seconds = (performance.now() - begin) / 1000;
  const kept = Number(await server.ask("SELECT COUNT(*) FROM paddock_readings"));
  if (kept !== readings.length) throw new Error(`${readings.length} rows were written, and ${kept} are there`);
  return readings.length / seconds;
}

async function writeByBridge(server: MariadbServer, readings: readonly Reading[]): Promise<void> {
  const sink = sinkFor(server);
  await sink.open();
  for (const rows of batchesOf(readings)) {
    await sink.write(barnChunk(rows[0]!.offset, rows.at(-1)!.offset + 1, { rows }));
  }
  await sink.close();
}

async function writeBare({ socketPath }: MariadbServer, readings: readonly Reading[]): Promise<void> {
  const connection = await createConnection({ socketPath, user: "root", database: DATABASE, timezone: "Z" });
  const insert = `INSERT INTO paddock_readings (${columnsOf("paddock_readings").join(",")}) VALUES ?`;
  for (const rows of batchesOf(readings)) {
    await connection.query("START TRANSACTION");
    for (let from = 0; from < rows.length; from += STATEMENT_ROWS) {
      await connection.query(insert, [rows.slice(from, from + STATEMENT_ROWS).map(valuesOf)]);
    }
    await connection.query("COMMIT");
  }
  await connection.end();
}

function valuesOf(row: Reading): unknown[] {
  const { offset, part, number, exact, whyNoNumber, text, flag, data, contentFormat, sum, updateS } = row;
  const value = [number, exact, whyNoNumber, text, flag, data, contentFormat, sum, updateS];
  const times = [row.timeBy, row.clock, new Date(row.arrivedMs)];
  const place = [row.lane, row.epoch, row.seq, row.index, row.boot, row.monotonicUs];
  const time = new Date(row.timeUs / 1000);
  return [offset * 65_536 + part + 1, offset, part, (offset % CHANNELS) + 1, time, ...value, ...times, ...place];
}

function rowsOf(server: string, turns: readonly (readonly [bridge: number, bare: number])[]): Row[] {
  const ratios = turns.map(([bridge, bare]) => round(bridge / bare, 2));
  const rateOf = (what: string, index: 0 | 1): Row => {
    const rounds = turns.map((turn) => round(turn[index]));
    return { what: `${server}: ${what}`, value: median(rounds), unit: "rows/s", rounds };
  };
  const target = { is: "at least", value: 0.9 } as const;
  return [
    rateOf("the bridge", 0),
    rateOf("a bare loop of mysql2", 1),
    { what: `${server}: the bridge in the loop's`, value: median(ratios), unit: "times", rounds: ratios, target },
  ];
}

function sinkFor({ socketPath }: MariadbServer): SqlSink {
  return new SqlSink({ socketPath, user: "root", database: DATABASE });
}

function* batchesOf(readings: readonly Reading[]): Generator<Reading[]> {
  const { maxRows } = SINK_KINDS.sql;
  for (let from = 0; from < readings.length; from += maxRows) yield readings.slice(from, from + maxRows);
}

function readingsOf(count: number): Reading[] {
  return Array.from({ length: count }, (_, offset) => {
    const channel = offset % CHANNELS;
    return barnRow({
      offset,
      seq: Math.floor(offset / 20),
      index: offset % 20,
      source: `mote-${channel}`,
      name: `urn:dev:ow:${channel}:temperature`,
      number: 20 + ((offset * 7919) % 977) / 10,
    });
  });
}
