import { PaddockError } from "@paddock/base/errors.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { TEST_GATEWAY, barnChunk, barnRow, barnRows } from "../testing/barn.ts";
import type { SqlAnswer, SqlConnection } from "./connection.ts";
import { columnsOf, SCHEMA_VERSION, TABLE_NAMES } from "./schema.ts";
import { SqlSink } from "./sql-sink.ts";
import { VIEWS } from "./views.ts";

/** What the sink says to a server, in order, and a server that answers what the test wants. */
class Script {
  said: string[] = [];
  sessions = 0;
  destroyed = 0;
  place: SqlAnswer = { log: null, log_offset: null, behind: null, updated: null, rewinding: 0 };
  version: number | undefined = SCHEMA_VERSION;
  tables = new Map<string, readonly string[]>(TABLE_NAMES.map((name) => [name, columnsOf(name)]));
  packet = 16_777_216;
  /** Thrown at the first statement that begins so. */
  fault: { readonly at: string; readonly error: Error } | undefined;
  /** Rows behind the place that are left to forget. */
  left = 0;

  connect = (): Promise<SqlConnection> => {
    this.sessions++;
    let isLost = false;
    return Promise.resolve({
      run: (statement: string) => {
        this.said.push(statement);
        if (this.fault !== undefined && statement.startsWith(this.fault.at)) {
          const { error } = this.fault;
          this.fault = undefined;
          return Promise.reject(error);
        }
        return Promise.resolve(this.#answer(statement));
      },
      isLost: () => isLost,
      close: () => Promise.resolve(),
      destroy: () => {
        isLost = true;
        this.destroyed++;
      },
    });
  };

  /** The first words of what was said since the last call. */
  verbs(): string[] {
    return this.said.splice(0).map((text) => text.replace(/ \(.*|, LOWER.*| SET .*| WHERE .*/u, "").slice(0, 60));
  }

  #answer(statement: string): readonly SqlAnswer[] {
    if (statement.includes("max_allowed_packet")) return [{ version: "10.11", packet: this.packet }];
    if (statement.includes("information_schema")) {
      const all = this.version === undefined ? [] : [["paddock_schema", ["version"]] as const];
      return [...this.tables, ...all].flatMap(([t, columns]) => columns.map((c) => ({ t, c })));
    }
    if (statement.includes("MAX(version)")) return [{ version: this.version ?? null }];
    if (statement.includes("FROM paddock_sink")) return [this.place];
    if (statement.startsWith("SELECT 1 AS there") && statement.includes("log_offset>=")) {
      return this.left > 0 ? [{ there: 1 }] : [];
    }
    if (statement.startsWith("DELETE FROM paddock_readings")) this.left--;
    if (statement.includes("channel_key IN")) {
      return [...statement.matchAll(/x'([0-9a-f]+)'/gu)].map(([, hex], index) => ({ id: 11 + index, hex: hex! }));
    }
    return [];
  }
}

let script: Script;
let sink: SqlSink;
beforeEach(() => {
  script = new Script();
  sink = new SqlSink({ user: "bridge", database: "farm" }, script.connect);
});

const at = (offset: number, log = barnChunk(0, 0).place.log!): SqlAnswer => ({
  log,
  log_offset: String(offset),
  behind: "b",
  updated: "2025-10-09 08:53:20.123",
  rewinding: 0,
});

describe("a chunk", () => {
  test("is kept with its place in one transaction, the place locked before anything is looked at", async () => {
    await sink.open();
    script.verbs();
    const chunk = barnChunk(0, 3, {
      rows: barnRows(0, 3),
      deadLetters: [{ offset: 1, gateway: TEST_GATEWAY, source: "barn", reason: "none" }],
    });
    await sink.write(chunk);
    expect(script.verbs()).toEqual([
      "START TRANSACTION",
      "SELECT log, log_offset, behind, updated, rewinding FROM padd",
      "SELECT id",
      "INSERT INTO paddock_readings",
      "INSERT INTO paddock_latest",
      "INSERT INTO paddock_losses",
      "UPDATE paddock_sink",
      "COMMIT",
    ]);
  });

  test("never ignores what a server says against a row", async () => {
    await sink.write(barnChunk(0, 3, { rows: barnRows(0, 3) }));
    expect(script.said.filter((text) => /IGNORE|REPLACE INTO/u.test(text))).toEqual([]);
  });

  test("that was kept already, its answer lost, is not kept twice", async () => {
    script.place = at(3);
    await sink.write(barnChunk(0, 3, { rows: barnRows(0, 3) }));
    expect(script.said.filter((text) => text.startsWith("INSERT"))).toEqual([]);
  });

  test.each([
    ["a gap before it", at(5), "stands at log offset 5, and these rows begin at 7"],
    ["a part of it kept", at(8), "stands at log offset 8"],
    ["rows of another log there", at(7, "ffff"), "holds rows of log ffff"],
  ])("is refused with %s", async (_, place, detail) => {
    script.place = place;
    const written = sink.write(barnChunk(7, 9, { rows: barnRows(7, 9) }));
    await expect(written).rejects.toMatchObject({
      code: "SINK_REFUSED",
      message: expect.stringContaining(detail) as string,
    });
    expect(script.said.filter((text) => text.startsWith("INSERT"))).toEqual([]);
    expect(script.destroyed).toBe(1);
  });

  test("of more than a thousand rows goes in several statements of one transaction", async () => {
    await sink.open();
    script.verbs();
    await sink.write(barnChunk(0, 2500, { rows: barnRows(0, 2500) }));
    const verbs = script.verbs();
    expect(verbs.filter((verb) => verb === "INSERT INTO paddock_readings")).toHaveLength(3);
    expect(verbs.filter((verb) => verb === "COMMIT")).toHaveLength(1);
  });

  test("tells of a sum and an update time that no column holds", async () => {
    await sink.write(barnChunk(0, 1, { rows: [barnRow({ offset: 0, sum: Infinity, updateS: Number.NaN })] }));
    const told = script.said.find((text) => text.startsWith("INSERT INTO paddock_losses"))!;
    expect(told).toContain("its sum, Infinity");
    expect(told).toContain("its update time, NaN");
    const rows = script.said.find((text) => text.startsWith("INSERT INTO paddock_readings"))!;
    expect(rows).not.toMatch(/Infinity|NaN/u);
  });

  test("a zero with a minus says so beside its column, which has none", async () => {
    await sink.write(barnChunk(0, 1, { rows: [barnRow({ offset: 0, number: -0 })] }));
    expect(script.said.find((text) => text.startsWith("INSERT INTO paddock_readings"))).toContain("0e0,'-0',NULL");
  });
});

test("after a failure nothing of the session is used again, neither it nor the channels it learned", async () => {
  const error = new PaddockError("SINK_UNAVAILABLE", "lost");
  script.fault = { at: "COMMIT", error };
  const chunk = barnChunk(0, 2, { rows: barnRows(0, 2) });
  await expect(sink.write(chunk)).rejects.toBe(error);
  expect([script.sessions, script.destroyed]).toEqual([1, 1]);
  expect(sink.report()).toMatchObject({ connected: "no", channelsInMemory: 0, rowsWritten: 0 });
  script.verbs();
  await sink.write(chunk);
  expect(script.sessions).toBe(2);
  expect(script.verbs()).toContain("SELECT id");
  await sink.write(barnChunk(2, 4, { rows: barnRows(2, 4) }));
  expect(script.verbs()).not.toContain("SELECT id");
});

describe("a database that is not as it was left", () => {
  test("of a newer Paddock is refused", async () => {
    script.version = SCHEMA_VERSION + 1;
    await expect(sink.open()).rejects.toMatchObject({
      code: "SINK_REFUSED",
      message: expect.stringContaining(`version ${SCHEMA_VERSION + 1}`) as string,
    });
  });

  test("without one of its tables, or a column, is refused and not mended", async () => {
    script.tables.delete("paddock_latest");
    await expect(sink.open()).rejects.toThrow("the table paddock_latest is missing");
    script.tables.set("paddock_latest", ["channel_id"]);
    await expect(sink.open()).rejects.toThrow("paddock_latest has no column value");
    expect(script.said.filter((text) => text.startsWith("CREATE"))).toEqual([]);
  });

  test("with tables of its names and no version is refused", async () => {
    script.version = undefined;
    await expect(sink.open()).rejects.toThrow("no paddock_schema");
  });

  test("that takes too little in one packet is refused", async () => {
    script.packet = 65_536;
    await expect(sink.open()).rejects.toThrow("65536 bytes");
  });
});

test("an empty database gets its tables, and its version last", async () => {
  script.version = undefined;
  script.tables.clear();
  await sink.open();
  const made = script.said.filter((text) => /^(?:CREATE|INSERT)/u.test(text));
  expect(made[0]).toContain("paddock_schema");
  expect(made.at(-1)).toContain("INSERT INTO paddock_schema");
  for (const name of TABLE_NAMES) expect(made.filter((text) => text.includes(`EXISTS ${name} `))).toHaveLength(1);
});

test("a database of an older version gets its views anew, and its version last", async () => {
  script.version = 1;
  await sink.open();
  const made = script.said.filter((text) => /^(?:CREATE|INSERT)/u.test(text));
  expect(made.slice(0, -1).map((text) => / VIEW (\w+) AS /u.exec(text)?.[1])).toEqual(Object.keys(VIEWS));
  expect(made.at(-1)).toContain(`INSERT INTO paddock_schema (version) VALUES (${SCHEMA_VERSION})`);
});

test("what a rewind did not finish is finished before anything else", async () => {
  script.place = { ...at(5), rewinding: 1 };
  script.left = 2;
  await sink.write(barnChunk(5, 6, { rows: barnRows(5, 6) }));
  const verbs = script.verbs();
  const forgotten = verbs.filter((verb) => verb === "DELETE FROM paddock_readings");
  expect(forgotten).toHaveLength(2);
  expect(verbs.lastIndexOf("DELETE FROM paddock_readings")).toBeLessThan(verbs.indexOf("START TRANSACTION"));
});

test("what is known at the start is the place with its mark", async () => {
  script.place = at(5, "aa");
  const place = { offset: 5, log: "aa", behind: "b", updated: Date.UTC(2025, 9, 9, 8, 53, 20, 123) };
  expect(await sink.open()).toEqual({ place, datings: [] });
});
