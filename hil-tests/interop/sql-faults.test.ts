import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import type { RowChunk } from "@paddock/collector/sinks/sink.ts";
import { connectSql, type SqlConnection } from "@paddock/collector/sinks/sql/connection.ts";
import { SqlSink } from "@paddock/collector/sinks/sql/sql-sink.ts";
import { barnChunk, barnRows } from "@paddock/collector/sinks/testing/barn.ts";
import { MariadbServer, SQL_SERVERS } from "../mariadb/mariadb-server.ts";

/** What a server, its administrator and other users do to the SQL bridge; it says what helps, and goes on by itself. */

const chunk = (from: number): RowChunk => barnChunk(from, from + 5, { rows: barnRows(from, from + 5) });
const refused = (detail: RegExp, remedy: RegExp) => ({
  code: "SINK_REFUSED",
  message: expect.stringMatching(detail) as string,
  remedy: expect.stringMatching(remedy) as string,
});

describe.each(SQL_SERVERS)("$name", (kind) => {
  let server: MariadbServer;
  let sink: SqlSink;
  let others: SqlConnection[] = [];
  beforeAll(async () => {
    server = await MariadbServer.start(kind, ["--innodb-lock-wait-timeout=1"]);
    await writeFile(join(server.directory, "secret"), "right\n");
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    await server.freshDatabase();
    sink = sinkOf("root");
  });
  afterEach(async () => {
    for (const other of others) other.destroy();
    others = [];
    await sink.close();
  });

  function options(user: string, database = "paddock") {
    return { socketPath: server.socketPath, user, database };
  }

  const sinkOf = (user: string): SqlSink => new SqlSink(options(user));

  async function otherSession(user = "root"): Promise<SqlConnection> {
    const session = await connectSql(options(user));
    others.push(session);
    return session;
  }

  const unavailable = { code: "SINK_UNAVAILABLE", disposition: "retry" };
  const count = (): Promise<string> => server.ask("SELECT COUNT(*) FROM paddock_readings");

  describe("users", () => {
    test("a wrong password, and none where one is needed", async () => {
      await server.ask("DROP USER IF EXISTS bridge@localhost; CREATE USER bridge@localhost IDENTIFIED BY 'wrong'");
      const wrong = new SqlSink({ ...options("bridge"), passwordFile: join(server.directory, "secret") });
      await expect(wrong.open()).rejects.toMatchObject(refused(/Access denied.*1045/u, /passwordFile/u));
      await expect(sinkOf("bridge").open()).rejects.toMatchObject(refused(/1045/u, /passwordFile/u));
    });

    test("a password file that is not there", async () => {
      const missing = new SqlSink({ ...options("root"), passwordFile: join(server.directory, "none") });
      await expect(missing.open()).rejects.toMatchObject(refused(/passwordFile .*none cannot be read/u, /readable/u));
    });

    test("a database that is not there", async () => {
      const missing = new SqlSink(options("root", "nowhere"));
      await expect(missing.open()).rejects.toMatchObject(refused(/1049/u, /CREATE DATABASE `nowhere`/u));
    });

    test("the rights of the documentation are enough, and each that is missing is told", async () => {
      const rights = ["CREATE", "CREATE VIEW", "SELECT", "INSERT", "UPDATE", "DELETE", "DROP", "SHOW VIEW"];
      await server.ask("DROP USER IF EXISTS bridge@localhost; CREATE USER bridge@localhost IDENTIFIED BY 'right'");
      const own = (): SqlSink => new SqlSink({ ...options("bridge"), passwordFile: join(server.directory, "secret") });
      await expect(own().open()).rejects.toMatchObject(refused(/1044/u, /GRANT SELECT, INSERT/u));
      await server.ask("GRANT SELECT ON paddock.* TO bridge@localhost");
      await expect(own().open()).rejects.toMatchObject(refused(/1142/u, /GRANT SELECT, INSERT/u));
      await server.ask(`GRANT ${rights.join(",")} ON paddock.* TO bridge@localhost`);
      const allowed = own();
      await allowed.write(chunk(0));
      await allowed.rewind(2, barnChunk(0, 2).place);
      await allowed.close();
      expect(await count()).toBe("2");
    });

    test("who may read alone reads all views, and writes nothing", async () => {
      await sink.write(chunk(0));
      await server.ask(
        "DROP USER IF EXISTS reader@localhost; CREATE USER reader@localhost; GRANT SELECT ON paddock.* TO reader@localhost",
      );
      const views = await server.ask("SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA='paddock'");
      expect(views.split("\n")).toHaveLength(8);
      for (const view of views.split("\n")) {
        expect(Number(await server.ask(`SELECT COUNT(*) FROM ${view}`, { user: "reader" }))).toBeGreaterThan(0);
      }
      await expect(server.ask("DELETE FROM paddock_latest", { user: "reader" })).rejects.toThrow("denied");
    });
  });

  describe("tables", () => {
    test.each([
      ["renamed", "RENAME TABLE paddock_readings TO mine", "RENAME TABLE mine TO paddock_readings"],
      [
        "without a column",
        "ALTER TABLE paddock_readings CHANGE seq seqq BIGINT UNSIGNED NOT NULL",
        "ALTER TABLE paddock_readings CHANGE seqq seq BIGINT UNSIGNED NOT NULL",
      ],
    ])("%s: told, nothing made in their place, and on it goes when they are back", async (_, damage, repair) => {
      await sink.write(chunk(0));
      await server.ask(damage);
      const told = refused(/1146|1054|missing|no column/u, /backup/u);
      await expect(sink.write(chunk(5))).rejects.toMatchObject(told);
      await expect(sink.open()).rejects.toMatchObject(told);
      await server.ask(repair);
      await sink.write(chunk(5));
      expect(await count()).toBe("10");
    });

    test("whose place was taken away are not filled again", async () => {
      await sink.write(chunk(0));
      await server.ask("DELETE FROM paddock_sink");
      await expect(sink.open()).rejects.toMatchObject(refused(/no row with the place/u, /backup/u));
      await server.ask("INSERT INTO paddock_sink (id,rewinding) VALUES (1,0)");
      await expect(sink.open()).rejects.toMatchObject(refused(/has rows/u, /backup/u));
    });

    test("that hold somebody else's row at an offset: told, and that row stays", async () => {
      await sink.write(chunk(0));
      await server.ask("UPDATE paddock_readings SET log_offset=7,id=7 WHERE log_offset=2");
      await expect(sink.write(chunk(5))).rejects.toMatchObject(refused(/1062/u, /backup/u));
      expect(await count()).toBe("5");
    });

    test("of a newer Paddock are left alone", async () => {
      await sink.write(chunk(0));
      await server.ask("UPDATE paddock_schema SET version=3");
      await expect(sink.open()).rejects.toMatchObject(refused(/version 3/u, /newer Paddock/u));
      await server.ask("UPDATE paddock_schema SET version=2");
      await sink.write(chunk(5));
    });

    test("whose making was cut short are made to their end", async () => {
      await sink.open();
      await server.ask(
        "DELETE FROM paddock_schema; DROP TABLE paddock_sink; DROP TABLE paddock_losses; DROP VIEW paddock_vz_data",
      );
      await sink.open();
      await sink.write(chunk(0));
      expect(await server.ask("SELECT version FROM paddock_schema")).toBe("2");
    });
  });

  describe("what passes by itself", () => {
    test("a server that goes and comes", async () => {
      await sink.write(chunk(0));
      await server.kill();
      await expect(sink.write(chunk(5))).rejects.toMatchObject(unavailable);
      await expect(sink.open()).rejects.toMatchObject(unavailable);
      await server.resume();
      await sink.write(chunk(5));
      expect(await count()).toBe("10");
    });

    test("an idle session that the server ended ends nothing else", async () => {
      await sink.write(chunk(0));
      const ids = await server.ask(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE DB='paddock' AND COMMAND='Sleep'",
      );
      for (const id of ids.split("\n")) await server.ask(`KILL ${id}`);
      await until(() => sink.report()["connected"] === "no");
      await sink.write(chunk(5));
      expect(await count()).toBe("10");
    });

    test("a place that somebody holds locked (1205)", async () => {
      await sink.write(chunk(0));
      // MariaDB lets those lock rows who may read alone; MySQL does not.
      const who = kind.name.startsWith("MariaDB") ? "reader" : "root";
      await server.ask(
        "DROP USER IF EXISTS reader@localhost; CREATE USER reader@localhost; GRANT SELECT ON paddock.* TO reader@localhost",
      );
      const other = await otherSession(who);
      await other.run("START TRANSACTION");
      await other.run("SELECT * FROM paddock_sink FOR UPDATE");
      await expect(sink.write(chunk(5))).rejects.toMatchObject({
        ...unavailable,
        message: expect.stringContaining("1205") as string,
      });
      await other.run("ROLLBACK");
      await sink.write(chunk(5));
      expect(await count()).toBe("10");
    });

    test("two who wait for each other (1213)", async () => {
      await sink.write(chunk(0));
      const [one, two] = [await otherSession(), await otherSession()];
      for (const session of [one, two]) await session.run("START TRANSACTION");
      await one.run("UPDATE paddock_latest SET part=part+1");
      await two.run("UPDATE paddock_sink SET behind='x'");
      const ended = await Promise.allSettled([
        one.run("UPDATE paddock_sink SET behind='y'"),
        two.run("UPDATE paddock_latest SET part=part+2"),
      ]);
      const failed = ended.filter((end) => end.status === "rejected");
      expect(failed).toHaveLength(1);
      expect(failed[0]!.reason).toMatchObject({
        ...unavailable,
        message: expect.stringMatching(/1213|1020/u) as string,
      });
    });

    test("rows that changed behind a snapshot: error 1020 of MariaDB 11.8 alone", async () => {
      await sink.write(chunk(0));
      const other = await otherSession();
      await other.run("START TRANSACTION WITH CONSISTENT SNAPSHOT");
      await other.run("SELECT COUNT(*) FROM paddock_sink");
      await sink.write(chunk(5));
      const update = other.run("UPDATE paddock_sink SET behind='x'");
      if (kind.name !== "MariaDB 11.8") await update;
      else
        await expect(update).rejects.toMatchObject({
          ...unavailable,
          message: expect.stringContaining("1020") as string,
        });
    });
  });
});
