import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { MariadbServer, SQL_SERVERS } from "../mariadb/mariadb-server.ts";
import { sumsBelow } from "../mariadb/sql-rows.ts";

/** SIGKILL at any moment: of who writes, of the server, of both. PADDOCK_SQL_KILLS is how many of each server. */
const KILLS = Number(process.env["PADDOCK_SQL_KILLS"] ?? 10);
const LIMIT_MS = 120_000 + KILLS * 30_000;
const WRITER = join(import.meta.dirname, "../mariadb/sql-writer.ts");

describe.each(SQL_SERVERS)("$name", (kind) => {
  let server: MariadbServer;
  let writer: ChildProcess | undefined;
  beforeAll(async () => {
    server = await MariadbServer.start(kind);
    await server.freshDatabase();
  });
  afterAll(async () => {
    writer?.kill("SIGKILL");
    await server?.stop();
  });

  function startWriter(to: number): ChildProcess {
    return spawn(process.execPath, [WRITER, server.socketPath, String(to)], { stdio: ["ignore", "ignore", "pipe"] });
  }

  const rowsIn = async (): Promise<number> => {
    const text = await server.ask("SELECT log_offset FROM paddock_sink").catch(() => "0");
    return Number(text) || 0;
  };

  test(`${KILLS} kills leave each row once, as counts and sums of each name say`, { timeout: LIMIT_MS }, async () => {
    let told = "";
    let during = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await rowsIn();
      writer = startWriter(Number.MAX_SAFE_INTEGER);
      writer.stderr!.setEncoding("utf8").on("data", (text: string) => (told += text));
      const child = writer;
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`the writer ended: ${told}`);
        return (await rowsIn()) > before;
      }, "rows arrive");
      // Somewhere in a chunk.
      await pause(Math.random() * 60);
      const who = kill % 3;
      if (who !== 1) {
        await server.kill();
        if (who === 0) {
          // The writer lives on, and finds a server again.
          await server.resume();
          const after = await rowsIn();
          await until(async () => (await rowsIn()) > after, "rows arrive again");
          during++;
        }
      }
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      if (who === 2) await server.resume();
    }
    expect(during).toBe(Math.ceil(KILLS / 3));
    const reached = Number(await server.ask("SELECT log_offset FROM paddock_sink"));
    // Whatever stands there now is whole: the place and the rows are one.
    const end = Number(await server.ask("SELECT COUNT(*) FROM paddock_readings"));
    expect(end).toBe(reached);
    const sums = "SELECT name,COUNT(*),SUM(value),MAX(log_offset) FROM paddock_readings_named GROUP BY name";
    const expected = sumsBelow(end);
    expect(numbersOf(await server.ask(sums))).toEqual(expected);
    const latest = "SELECT name,log_offset,value FROM paddock_latest_named";
    const newest = new Map([...expected].map(([name, [, , offset]]) => [name, offset]));
    expect(new Map([...numbersOf(await server.ask(latest))].map(([name, [offset]]) => [name, offset]))).toEqual(newest);
    expect(await server.ask("SELECT COUNT(DISTINCT id) FROM paddock_readings")).toBe(String(end));
  });
});

function numbersOf(text: string): Map<string, readonly number[]> {
  return new Map(
    text.split("\n").map((line) => {
      const [name, ...numbers] = line.split("\t");
      return [name!, numbers.map(Number)];
    }),
  );
}
