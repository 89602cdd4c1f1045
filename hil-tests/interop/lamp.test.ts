import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SqlSink } from "@paddock/collector/sinks/sql/sql-sink.ts";
import { barnChunk, barnRow } from "@paddock/collector/sinks/testing/barn.ts";
import { ApacheServer } from "../lamp/apache-server.ts";
import { documentedGrants } from "../lamp/grants.ts";
import { partsOf } from "../lamp/html.ts";
import { MariadbServer, SQL_SERVERS } from "../mariadb/mariadb-server.ts";

/** An old PHP page in Debian's Apache over what the SQL bridge wrote; lamp-chain.test.ts has the way from a form to it. */

const PAGE = join(import.meta.dirname, "../lamp/readings.php");
const READER = { user: "reader", password: "another one" };

describe.each(SQL_SERVERS)("$name", (kind) => {
  let server: MariadbServer;
  let apache: ApacheServer;
  let sink: SqlSink;

  beforeAll(async () => {
    server = await MariadbServer.start(kind);
    // Its socket is for Apache's user, too.
    await chmod(server.directory, 0o711);
    await server.ask(await documentedGrants(), { database: "mysql" });
    sink = new SqlSink({ socketPath: server.socketPath, user: "root", database: "paddock" });
    const rows = [
      // 02:30 in Berlin comes twice on 26 October 2025, and 02:30 on 30 March does not exist.
      barnRow({ offset: 0, timeUs: Date.UTC(2025, 2, 30, 1, 30) * 1000, name: "yard/t", unit: "Cel" }),
      barnRow({ offset: 1, timeUs: Date.UTC(2025, 9, 26, 0, 30) * 1000, name: "yard/t", unit: "Cel" }),
      barnRow({ offset: 2, timeUs: Date.UTC(2025, 9, 26, 1, 30) * 1000, name: "yard/t", unit: "Cel" }),
      barnRow({ offset: 3, name: `Küche "Süd" <b>'&amp;`, unit: "°C", number: -3.5 }),
      barnRow({ offset: 4, name: "Tür", number: null, text: `</li><script>alert("1 & 'zwei'")</script> 🐄` }),
      barnRow({ offset: 5, name: "now", timeUs: Date.now() * 1000 - 60_000_000, arrivedMs: Date.now(), unit: null }),
    ];
    await sink.write(barnChunk(0, rows.length, { rows }));
    apache = await ApacheServer.start([PAGE], server.socketPath);
  });
  afterAll(async () => {
    await sink?.close();
    await apache?.stop();
    await server?.stop();
  });

  async function page() {
    const answer = await apache.get("/readings.php");
    expect(answer).toMatchObject({ status: 200, type: "text/html; charset=utf-8" });
    return answer.body;
  }

  test("shows times of its own zone, over the hour that comes twice and the one that is missing", async () => {
    const { rows, feeds } = partsOf(await page());
    const times = rows.filter(([, title]) => title === "yard/t").map(([, , at]) => at);
    expect(times).toEqual(["26.10.2025 02:30:00 CET", "26.10.2025 02:30:00 CEST", "30.03.2025 03:30:00 CEST"]);
    expect(feeds).toContain("yard/t = 20.25 Cel (26.10.2025 02:30:00 CET)");
    // What UNIX_TIMESTAMP makes of the two in the zone of the server, and in the one that the page asks for.
    const stamps = "SELECT UNIX_TIMESTAMP(ts) FROM paddock_readings WHERE log_offset IN (1,2) ORDER BY id";
    const shifted = await server.ask(stamps, READER);
    const right = await server.ask(`SET time_zone='+00:00'; ${stamps}`, READER);
    expect(right.split("\n").map(Number)).toEqual(
      [Date.UTC(2025, 9, 26, 0, 30), Date.UTC(2025, 9, 26, 1, 30)].map((ms) => ms / 1000),
    );
    expect(shifted).not.toBe(right);
  });

  test("counts what came in the last hour, which a page without SET time_zone does not see", async () => {
    expect(partsOf(await page()).recent).toBe(1);
    const recent = "SELECT COUNT(*) FROM paddock_sensor_data WHERE created_at > NOW() - INTERVAL 1 HOUR";
    expect(await server.ask(recent, READER)).toBe("0");
    expect(await server.ask(recent.replace("NOW()", "UTC_TIMESTAMP()"), READER)).toBe("1");
  });

  test("shows umlauts and quotes as text, and nothing of it as HTML", async () => {
    const html = await page();
    const { rows, notes } = partsOf(html);
    expect(rows.find(([, , , value]) => value === "-3.5")).toEqual([
      expect.stringMatching(/^\d+$/u),
      "Küche &quot;Süd&quot; &lt;b&gt;&#039;&amp;amp;",
      expect.any(String),
      "-3.5",
      "°C",
    ]);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(
      "Tür: &lt;/li&gt;&lt;script&gt;alert(&quot;1 &amp; &#039;zwei&#039;&quot;)&lt;/script&gt; 🐄",
    );
    expect(html).not.toMatch(/<script|<b>/u);
  });

  test("has a user that changes nothing, neither in tables nor through views", async () => {
    const before = await server.ask("SELECT COUNT(*),SUM(log_offset) FROM paddock_readings");
    const statements = [
      "INSERT INTO paddock_losses SELECT * FROM paddock_losses",
      "UPDATE paddock_sink SET log_offset=0",
      "UPDATE paddock_sensor_data SET sensor_id=1",
      "DELETE FROM paddock_readings_named",
      "DELETE FROM paddock_readings",
      "TRUNCATE paddock_latest",
      "DROP VIEW paddock_vz_data",
      "ALTER TABLE paddock_readings ADD COLUMN mine INT",
      "CREATE TABLE mine (id INT)",
      "CREATE OR REPLACE VIEW paddock_sensor_data AS SELECT 1",
      "LOCK TABLES paddock_readings WRITE",
      "GRANT SELECT ON paddock.* TO bridge@localhost",
      `SELECT * FROM paddock_readings INTO OUTFILE '${server.directory}/out'`,
    ];
    for (const statement of statements) {
      await expect(server.ask(statement, READER), statement).rejects.toThrow(/denied|not updatable|not deletable/u);
    }
    expect(await server.ask("SELECT COUNT(*),SUM(log_offset) FROM paddock_readings")).toBe(before);
  });

  test("answers 503 without its server, and is there again with it; an Apache that was killed comes back", async () => {
    const before = partsOf(await page());
    await server.kill();
    expect(await apache.get("/readings.php")).toMatchObject({
      status: 503,
      body: "The readings cannot be reached just now.",
    });
    await server.resume();
    await sink.write(barnChunk(6, 7, { rows: [barnRow({ offset: 6, name: "yard/t", unit: "Cel" })] }));
    await apache.kill();
    await expect(apache.get("/readings.php")).rejects.toThrow("fetch failed");
    await apache.resume();
    const { rows } = partsOf(await page());
    expect(rows.slice(1)).toEqual(before.rows);
    expect(rows[0]![1]).toBe("yard/t");
  });
});
