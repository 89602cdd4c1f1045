import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Row } from "@paddock/collector/sinks/row.ts";
import { connectSql } from "@paddock/collector/sinks/sql/connection.ts";
import { SqlSink } from "@paddock/collector/sinks/sql/sql-sink.ts";
import { TEST_GATEWAY, barnChunk, barnRow, barnRows } from "@paddock/collector/sinks/testing/barn.ts";
import { MariadbServer, SQL_SERVERS } from "../mariadb/mariadb-server.ts";

/** The SQL bridge against MariaDB itself, and what it wrote read by MariaDB's own client. */

const ascending = (one: number, other: number): number => one - other;

describe.each(SQL_SERVERS)("$name", (kind) => {
  let server: MariadbServer;
  let sink: SqlSink;
  beforeAll(async () => {
    server = await MariadbServer.start(kind, ["--max-allowed-packet=1M", "--innodb-lock-wait-timeout=1"]);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    await server.freshDatabase();
    sink = newSink();
  });
  afterEach(() => sink.close());

  function newSink(user = "root"): SqlSink {
    return new SqlSink({ socketPath: server.socketPath, user, database: "paddock" });
  }

  async function lines(statement: string): Promise<string[]> {
    const text = await server.ask(statement);
    return text === "" ? [] : text.split("\n");
  }

  async function keep(rows: readonly Row[]): Promise<void> {
    const to = Math.max(...rows.map(({ offset }) => offset)) + 1;
    await sink.write(barnChunk(rows[0]!.offset, to, { rows }));
  }

  describe("what was measured is read as it was", () => {
    test("every double to its last bit", async () => {
      const random = Array.from({ length: 500 }, (_, index) => (Math.random() - 0.5) * 10 ** ((index % 600) - 300));
      const edges = [
        5e-324,
        2.2250738585072014e-308,
        Number.MAX_VALUE,
        -Number.MAX_VALUE,
        2 ** 53 + 2,
        0.1,
        1 / 3,
        1e21,
      ];
      const numbers = [...edges, ...random];
      await keep(numbers.map((number, offset) => barnRow({ offset, number })));
      expect((await lines("SELECT value FROM paddock_readings ORDER BY log_offset")).map(Number)).toEqual(numbers);
    });

    test("what is no double, text with every character, bytes, and the rest", async () => {
      const words = "it's \\ %_ ünï 🐄 \u0001 ;--";
      await keep([
        barnRow({ offset: 0, number: 9007199254740992, exact: "9007199254740993" }),
        barnRow({ offset: 1, number: null, whyNoNumber: "-infinity" }),
        barnRow({ offset: 2, number: -0 }),
        barnRow({ offset: 3, number: null, text: words }),
        barnRow({ offset: 4, number: null, flag: false }),
        barnRow({ offset: 5, number: null, data: Buffer.from("00ff275c", "hex"), contentFormat: "60" }),
        barnRow({ offset: 6, number: null, sum: 1.5, updateS: 60, lane: "alarm", epoch: 4_294_967_295 }),
      ]);
      const columns = "value,exact,why_no_value,HEX(text),flag,HEX(data),content_format,sum,update_s,lane,epoch";
      const rest = "NULL\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\ttelemetry\t2";
      expect(await lines(`SELECT ${columns} FROM paddock_readings ORDER BY id`)).toEqual([
        `9.007199254740992e15\t9007199254740993\t${rest}`,
        `NULL\tNULL\t-infinity\t${rest.slice(5)}`,
        `0\t-0\t${rest}`,
        `NULL\tNULL\tNULL\t${Buffer.from(words).toString("hex").toUpperCase()}\t${rest.slice(10)}`,
        `NULL\tNULL\tNULL\tNULL\t0\t${rest.slice(15)}`,
        `NULL\tNULL\tNULL\tNULL\tNULL\t00FF275C\t60\tNULL\tNULL\ttelemetry\t2`,
        `NULL\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\t1.5\t60\talarm\t4294967295`,
      ]);
    });

    test("the longest name, unit and text that a frame can carry", async () => {
      const long = "ä".repeat(30_000);
      await keep([barnRow({ offset: 0, name: long, unit: long, number: null, text: long })]);
      const sizes = "LENGTH(name),LENGTH(unit),LENGTH(measurement),LENGTH(text)";
      expect(await lines(`SELECT ${sizes} FROM paddock_readings_named`)).toEqual(["60000\t60000\t60000\t60000"]);
    });

    test("names that differ in case, accent, width, a zero or a space at the end alone stay apart", async () => {
      await server.ask("ALTER DATABASE paddock CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
      const names = ["temp", "Temp", "tèmp", "te\u0300mp", "ｔemp", "temp ", "temp\0", "ss", "ß", "te\u00admp"];
      await keep(names.map((name, offset) => barnRow({ offset, name })));
      await keep(names.map((name, index) => barnRow({ offset: names.length + index, name })));
      const count = await lines("SELECT channel_id,COUNT(*) FROM paddock_readings GROUP BY channel_id");
      expect(count.map((line) => line.split("\t")[1])).toEqual(names.map(() => "2"));
      expect(await lines("SELECT COUNT(*) FROM paddock_latest")).toEqual([String(names.length)]);
      // A space at the end is the one thing that no collation named *_bin of these servers sees.
      expect(await lines("SELECT COUNT(DISTINCT name) FROM paddock_channels")).toEqual([String(names.length - 1)]);
    });

    test("one name in two units is two channels", async () => {
      await keep([null, "Cel", "K"].map((unit, offset) => barnRow({ offset, unit })));
      expect(await lines("SELECT COUNT(*) FROM paddock_channels")).toEqual(["3"]);
    });

    test("times to the microsecond, before 1970 and in both turns of the autumn's repeated hour", async () => {
      // 02:30 in Berlin on 26 October 2025, which is the server's zone, is 00:30 and 01:30 UTC.
      const [summer, winter] = [Date.UTC(2025, 9, 26, 0, 30), Date.UTC(2025, 9, 26, 1, 30)];
      // 02:30 on 30 March does not exist there.
      const gap = Date.UTC(2025, 2, 30, 2, 30);
      const timesUs = [summer * 1000, summer * 1000 + 1, winter * 1000, gap * 1000 + 999_999, -1, 4e15];
      await keep(timesUs.map((timeUs, offset) => barnRow({ offset, timeUs })));
      expect(await lines("SELECT ts FROM paddock_readings ORDER BY id")).toEqual([
        "2025-10-26 00:30:00.000000",
        "2025-10-26 00:30:00.000001",
        "2025-10-26 01:30:00.000000",
        "2025-03-30 02:30:00.999999",
        "1969-12-31 23:59:59.999999",
        "2096-10-02 07:06:40.000000",
      ]);
      expect(await lines("SELECT @@system_time_zone IN ('CET','CEST'),@@time_zone")).toEqual(["1\tSYSTEM"]);
      const stamps = timesUs.map((timeUs) => Math.floor(timeUs / 1000));
      expect((await lines("SELECT `timestamp` FROM paddock_vz_data ORDER BY id")).map(Number)).toEqual(stamps);
      const clocks = timesUs.map((timeUs) => Math.floor(timeUs / 1e6));
      expect(
        (await lines("SELECT clock FROM paddock_zabbix_history ORDER BY ns,clock")).map(Number).toSorted(ascending),
      ).toEqual(clocks.toSorted(ascending));
    });
  });

  describe("shapes of old software", () => {
    const VALUES = [
      barnRow({ offset: 0, number: 21.5, timeUs: 1_760_000_000_123_456 }),
      barnRow({ offset: 1, number: null, flag: true, name: "door", unit: null, timeUs: 1_760_000_001_000_000 }),
      barnRow({ offset: 2, number: null, text: "words", name: "note", unit: null }),
    ];

    test.each([
      [
        "paddock_vz_data",
        "id,channel_id,`timestamp`,value",
        ["1\t1\t1760000000123\t21.5", "65537\t2\t1760000001000\t1"],
      ],
      ["paddock_emoncms_data", "feedid,`time`,data", ["1\t1760000000\t21.5", "2\t1760000001\t1"]],
      ["paddock_zabbix_history", "itemid,clock,value,ns", ["1\t1760000000\t21.5\t123456000", "2\t1760000001\t1\t0"]],
      [
        "paddock_sensor_data",
        "id,sensor_id,created_at,value",
        ["1\t1\t2025-10-09 08:53:20.123456\t21.5", "65537\t2\t2025-10-09 08:53:21.000000\t1"],
      ],
      [
        "paddock_vz_entities",
        "id,type,class,title",
        ["1\tuniversalsensor\tchannel\tb/t", "2\tuniversalsensor\tchannel\tdoor", "3\tuniversalsensor\tchannel\tnote"],
      ],
      [
        "paddock_emoncms_feeds",
        "id,name,tag,unit,value",
        ["1\tb/t\tbarn\tCel\t21.5", "2\tdoor\tbarn\tNULL\t1", "3\tnote\tbarn\tNULL\tNULL"],
      ],
    ])("%s", async (view, columns, expected) => {
      await keep(VALUES);
      expect(await lines(`SELECT ${columns} FROM ${view} ORDER BY 1`)).toEqual(expected);
    });

    test("a channel has the same UUID in every rebuild", async () => {
      await keep(VALUES);
      const uuids = await lines("SELECT uuid FROM paddock_vz_entities ORDER BY title");
      expect(uuids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/u);
      await server.freshDatabase();
      sink = newSink();
      await keep(VALUES.toReversed().map((row, index) => Object.assign({}, row, { offset: index })));
      expect(await lines("SELECT uuid FROM paddock_vz_entities ORDER BY title")).toEqual(uuids);
    });

    test("the newest rows of all, and those of a channel, are found by an index", async () => {
      await keep(barnRows(0, 3000));
      await server.ask("ANALYZE TABLE paddock_readings");
      for (const query of [
        "SELECT * FROM paddock_sensor_data ORDER BY id DESC LIMIT 20",
        "SELECT * FROM paddock_sensor_data WHERE sensor_id=1 ORDER BY created_at DESC LIMIT 20",
        "SELECT * FROM paddock_latest WHERE channel_id=1",
      ]) {
        expect(await server.ask(`EXPLAIN ${query}`), query).not.toMatch(/filesort|\tALL\t/u);
      }
    });
  });

  describe("chunks", () => {
    test("of many rows, and of rows that are larger together than what the server takes at once", async () => {
      await keep(barnRows(0, 3500));
      await keep(barnRows(3500, 3600, () => ({ number: null, text: "x".repeat(50_000) })));
      expect(await lines("SELECT COUNT(*),SUM(log_offset),SUM(LENGTH(text)) FROM paddock_readings")).toEqual([
        `3600\t${(3600 * 3599) / 2}\t5000000`,
      ]);
      expect((await sink.open()).place).toMatchObject({ offset: 3600, behind: "behind 3600" });
    });

    test("given again, by the same bridge and by another one, are kept once", async () => {
      const chunk = barnChunk(0, 50, { rows: barnRows(0, 50) });
      await sink.write(chunk);
      await sink.write(chunk);
      const other = newSink();
      await Promise.all([other.write(chunk), sink.write(chunk)]);
      await other.close();
      expect(await lines("SELECT COUNT(*) FROM paddock_readings")).toEqual(["50"]);
    });

    test("of two bridges at once are kept once, whoever is first", async () => {
      const others = [newSink(), newSink(), newSink()];
      for (const other of others) await other.open();
      for (let from = 0; from < 100; from += 10) {
        const chunk = barnChunk(from, from + 10, { rows: barnRows(from, from + 10) });
        for (const ended of await Promise.allSettled(others.map((other) => other.write(chunk)))) {
          if (ended.status === "rejected") expect(ended.reason).toMatchObject({ code: "SINK_UNAVAILABLE" });
        }
        await others[0]!.write(chunk);
      }
      for (const other of others) await other.close();
      expect(await lines("SELECT COUNT(*),COUNT(DISTINCT id) FROM paddock_readings")).toEqual(["100\t100"]);
    });

    test("whole numbers beyond 2^53 are exact, and none is taken for a place that it is not", async () => {
      await keep(barnRows(0, 2));
      const session = await connectSql({ socketPath: server.socketPath, user: "root", database: "paddock" });
      const [row] = await session.run("SELECT 9007199254740993 AS beyond, log_offset AS below FROM paddock_sink");
      await session.close();
      expect(row).toEqual({ beyond: "9007199254740993", below: "2" });
      await server.ask("UPDATE paddock_sink SET log_offset=9007199254740993");
      await expect(sink.open()).rejects.toMatchObject({ code: "SINK_REFUSED" });
    });

    test("losses stand beside the rows", async () => {
      const letter = { offset: 3, gateway: TEST_GATEWAY, source: "barn", reason: "record 1: v is a date" };
      const missing = [{ offset: 4, count: 9, why: "damaged" }];
      await sink.write(barnChunk(0, 13, { deadLetters: [letter, letter], missing }));
      expect(await lines("SELECT log_offset,nth,records,source,reason FROM paddock_losses ORDER BY 1,2")).toEqual([
        "3\t0\t1\tbarn\trecord 1: v is a date",
        "3\t1\t1\tbarn\trecord 1: v is a date",
        "4\t0\t9\tNULL\tdamaged",
      ]);
    });
  });
});
