import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import type { Row } from "@paddock/collector/sinks/row.ts";
import { SqlSink } from "@paddock/collector/sinks/sql/sql-sink.ts";
import { TEST_GATEWAY, barnChunk, barnRow } from "@paddock/collector/sinks/testing/barn.ts";
import { MariadbServer, SQL_SERVERS } from "../mariadb/mariadb-server.ts";

/** What becomes of rows after they were kept: rewinds, boots that are dated later, and the newest row of a channel all the time. */

const START_US = 1_760_000_000_000_000;
const BOOT = { gateway: TEST_GATEWAY, boot: 9, zeroUs: START_US - 7_000_000 };

const undated = (offset: number, more: Partial<Row> = {}): Row =>
  barnRow({
    offset,
    boot: BOOT.boot,
    clock: "unset",
    timeBy: "collector",
    timeUs: START_US,
    arrivedMs: START_US / 1000,
    monotonicUs: 1_000_000 + offset,
    ...more,
  });

const at = (offset: number, timeUs: number, arrivedUs: number): Row =>
  barnRow({ offset, timeUs, arrivedMs: arrivedUs / 1000 });

const letter = (offset: number) => ({ offset, gateway: TEST_GATEWAY, source: "barn", reason: "none" });

describe.each(SQL_SERVERS)("$name", (kind) => {
  let server: MariadbServer;
  let sink: SqlSink;
  beforeAll(async () => {
    server = await MariadbServer.start(kind);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    await server.freshDatabase();
    sink = new SqlSink({ socketPath: server.socketPath, user: "root", database: "paddock" });
  });
  afterEach(() => sink.close());

  /** What `paddock_latest` says, and what it has to say by a look at all rows. */
  async function expectNewest(): Promise<void> {
    const ranked =
      "SELECT channel_id,ts,log_offset,part,ROW_NUMBER() OVER (PARTITION BY channel_id ORDER BY LEAST(ts,arrived) DESC,log_offset DESC,part DESC) AS rank_ FROM paddock_readings";
    const all = await server.ask(`SELECT channel_id,ts,log_offset,part FROM (${ranked}) r WHERE rank_=1 ORDER BY 1`);
    const latest = await server.ask("SELECT channel_id,ts,log_offset,part FROM paddock_latest ORDER BY 1");
    expect(latest).toBe(all);
  }

  test("rows of a boot are dated by microseconds, with the distance that the sensor gave, and no others", async () => {
    const rows = [
      undated(0),
      undated(1, { timeUs: START_US - 250_001 }),
      undated(2, { boot: 8 }),
      undated(3, { gateway: "08".repeat(32) }),
      undated(4, { timeBy: "sensor", timeUs: START_US - 5 }),
    ];
    await sink.write(barnChunk(0, 5, { rows }));
    await sink.write(barnChunk(5, 6, { rows: [undated(5)], datings: [BOOT] }));
    const columns = "log_offset,TIMESTAMPDIFF(MICROSECOND,'1970-01-01',ts),time_by,clock";
    const told = await server.ask(`SELECT ${columns} FROM paddock_readings ORDER BY 1`);
    const zero = BOOT.zeroUs + 1_000_000;
    expect(told.split("\n").map((line) => line.split("\t"))).toEqual([
      ["0", String(zero), "gateway", "dated"],
      ["1", String(zero + 1 - 250_001), "gateway", "dated"],
      ["2", String(START_US), "collector", "unset"],
      ["3", String(START_US), "collector", "unset"],
      ["4", String(START_US - 5), "sensor", "unset"],
      ["5", String(zero + 5), "gateway", "dated"],
    ]);
    await expectNewest();
    expect(await server.ask("SELECT COUNT(*) FROM paddock_undated")).toBe("2");
    expect((await sink.open()).datings).toEqual([BOOT]);
  });

  test("dating looks at the rows of the boot alone", async () => {
    await sink.write(barnChunk(0, 2000, { rows: Array.from({ length: 2000 }, (_, offset) => barnRow({ offset })) }));
    await sink.write(barnChunk(2000, 2003, { rows: [undated(2000), undated(2001), undated(2002)] }));
    await server.ask("ANALYZE TABLE paddock_readings,paddock_undated");
    const before = await handlerReads();
    await sink.write(barnChunk(2003, 2004, { datings: [BOOT] }));
    expect((await handlerReads()) - before).toBeLessThan(1000);
  });

  async function handlerReads(): Promise<number> {
    const told = await server.ask(
      "SHOW GLOBAL STATUS WHERE Variable_name='Innodb_rows_read' OR Variable_name LIKE 'Handler_read%next'",
    );
    return told.split("\n").reduce((sum, line) => sum + Number(line.split("\t")[1]), 0);
  }

  test("a sensor whose clock was far ahead once is not the newest for ever", async () => {
    const later = START_US + 60_000_000;
    await sink.write(barnChunk(0, 1, { rows: [at(0, 4e15, START_US)] }));
    expect(await server.ask("SELECT log_offset FROM paddock_latest")).toBe("0");
    await sink.write(barnChunk(1, 2, { rows: [at(1, later, later)] }));
    expect(await server.ask("SELECT log_offset FROM paddock_latest")).toBe("1");
    // Old data that comes late is not the newest either.
    await sink.write(barnChunk(2, 3, { rows: [at(2, START_US, later + 1e6)] }));
    expect(await server.ask("SELECT log_offset FROM paddock_latest")).toBe("1");
    await sink.rewind(1, barnChunk(0, 1).place);
    expect(await server.ask("SELECT log_offset FROM paddock_latest")).toBe("0");
  });

  test("a rewind forgets what stands from there on, exactly, however far, and goes on", async () => {
    const rows = Array.from({ length: 40 }, (_, offset) => barnRow({ offset, name: `n${offset % 7}` }));
    await sink.write(barnChunk(0, 40, { rows, deadLetters: [letter(3), letter(30)], datings: [] }));
    const before = await server.ask("SELECT * FROM paddock_readings WHERE log_offset<17 ORDER BY id");
    await sink.rewind(17, barnChunk(0, 17).place);
    expect(await server.ask("SELECT * FROM paddock_readings ORDER BY id")).toBe(before);
    expect(await server.ask("SELECT log_offset FROM paddock_losses")).toBe("3");
    expect((await sink.open()).place).toEqual(barnChunk(0, 17).place);
    await expectNewest();
    await sink.write(barnChunk(17, 40, { rows: rows.slice(17) }));
    expect(await server.ask("SELECT COUNT(*),SUM(log_offset) FROM paddock_readings")).toBe("40\t780");
    await sink.rewind(0, barnChunk(0, 0).place);
    expect(await server.ask("SELECT COUNT(*) FROM paddock_readings")).toBe("0");
    expect(await server.ask("SELECT COUNT(*) FROM paddock_latest")).toBe("0");
  });

  test("a rewind that a crash cut short is finished by the next start", async () => {
    const rows = Array.from({ length: 30 }, (_, offset) => barnRow({ offset }));
    await sink.write(barnChunk(0, 30, { rows }));
    await server.ask(
      "UPDATE paddock_sink SET log_offset=10,rewinding=1; DELETE FROM paddock_readings WHERE log_offset>25",
    );
    expect((await sink.open()).place).toMatchObject({ offset: 10 });
    expect(await server.ask("SELECT COUNT(*),MAX(log_offset) FROM paddock_readings")).toBe("10\t9");
    expect(await server.ask("SELECT rewinding FROM paddock_sink")).toBe("0");
    await expectNewest();
  });

  test(
    "whatever comes in whatever order, the newest of each channel is the newest of all its rows",
    { timeout: 300_000 },
    async () => {
      let end = 0;
      for (let step = 0; step < 20; step++) {
        if (end > 20 && step % 7 === 6) {
          end = Math.floor(Math.random() * end);
          await sink.rewind(end, barnChunk(0, end).place);
        } else {
          const count = 1 + Math.floor(Math.random() * 15);
          const rows = Array.from({ length: count }, (_, index) => chanceRow(end + index));
          const datings = step % 5 === 4 ? [{ ...BOOT, boot: Math.floor(Math.random() * 3) }] : [];
          await sink.write(barnChunk(end, end + count, { rows, datings }));
          end += count;
        }
        await expectNewest();
      }
    },
  );
});

/** Few times, so that many are equal; some from the future, some without any. */
function chanceRow(offset: number): Row {
  const arrivedMs = START_US / 1000 + Math.floor(Math.random() * 8);
  const name = `n${Math.floor(Math.random() * 3)}`;
  const boot = Math.floor(Math.random() * 3);
  if (Math.random() < 0.3) return undated(offset, { name, boot, arrivedMs, timeUs: arrivedMs * 1000 });
  const timeUs = arrivedMs * 1000 + Math.floor(Math.random() * 12 - 8) * 1000;
  return barnRow({ offset, name, boot, arrivedMs, timeUs });
}
