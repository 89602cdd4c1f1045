/* The cache of last values in a real Redis, read by redis-cli. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { seededRandom } from "@paddock/base/random.ts";
import type { RedisConfig } from "@paddock/collector/sinks/config.ts";
import type { LastAsk } from "@paddock/collector/sinks/last/ask.ts";
import { LastValues } from "@paddock/collector/sinks/last/last-values.ts";
import { readingOf } from "@paddock/collector/sinks/last/reading.ts";
import { RedisTier } from "@paddock/collector/sinks/last/redis-tier.ts";
import { LastTiers } from "@paddock/collector/sinks/last/tiers.ts";
import { RedisSink } from "@paddock/collector/sinks/redis/redis-sink.ts";
import type { Row } from "@paddock/collector/sinks/row.ts";
import type { RowChunk } from "@paddock/collector/sinks/sink.ts";
import { testRow } from "@paddock/collector/sinks/testing/row.ts";
import { RedisServer } from "../redis/redis-server.ts";

let server: RedisServer;
let options: RedisConfig;
let sink: RedisSink;

async function startServer(...redisOptions: string[]): Promise<void> {
  server = await RedisServer.start(redisOptions);
  const { socketPath } = server;
  options = { socketPath, host: "", port: 0, username: null, passwordFile: null, db: 0, prefix: "pad[dock]:" };
  sink = new RedisSink(options);
}

async function endServer(): Promise<void> {
  await sink.close();
  await server.stop();
}

beforeEach(() => startServer());
afterEach(endServer);

function cli(...args: string[]): string {
  return execFileSync("redis-cli", ["-s", server.socketPath, ...args], { encoding: "utf8" }).trimEnd();
}

function valueOf(name: string): string {
  return cli("HGET", `pad[dock]:last:${"07".repeat(32)}:barn:${name}`, "value");
}

function chunkOf(from: number, rows: readonly Row[], end = from + rows.length): RowChunk {
  const place = { offset: end, updated: 1, log: "aa", behind: null };
  return { from, rows, deadLetters: [], missing: [], datings: [], place, sites: new Map() };
}

test("the newest reading wins, whatever arrives when, and its place is kept with it", async () => {
  expect(await sink.open()).toEqual({ place: undefined, datings: [] });
  expect(sink.report()["server"]).toMatch(/^\d+\./u);
  await sink.write(chunkOf(0, [testRow({ offset: 0, timeUs: 50, number: 1, name: "t" })]));
  await sink.write(chunkOf(1, [testRow({ offset: 1, timeUs: 40, number: 2, name: "t" })]));
  expect(valueOf("t")).toBe("1");
  // Offsets that are one double: 2^53 and 2^53 - 1.
  const offset = Number.MAX_SAFE_INTEGER - 1;
  await sink.write(chunkOf(2, [testRow({ offset, timeUs: 50, number: 3, name: "t" })], offset + 1));
  await sink.write(
    chunkOf(offset + 1, [testRow({ offset: offset + 1, timeUs: 50, number: 4, name: "t" })], offset + 1),
  );
  expect(valueOf("t")).toBe("4");
  expect(cli("HGET", `pad[dock]:last:${"07".repeat(32)}:barn:t`, "unit")).toBe("Cel");
  expect(await new RedisSink(options).open()).toMatchObject({ place: { offset: offset + 1, log: "aa", behind: null } });
});

test("a chunk that had been written is written again without harm; a chunk of another place is not taken", async () => {
  await sink.open();
  const chunk = chunkOf(0, [testRow({ number: 7, name: "t" })]);
  await sink.write(chunk);
  const again = new RedisSink(options);
  await again.open();
  const next = chunkOf(1, [testRow({ offset: 1, number: 8, name: "t" })]);
  await sink.write(next);
  // As when the answer to it was lost.
  await again.write(next);
  await expect(sink.write(chunkOf(2, []))).resolves.toBeUndefined();
  await sink.write(chunkOf(2, [], 3));
  await expect(again.write(chunkOf(2, [], 4))).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  await again.close();
  expect(valueOf("t")).toBe("8");
});

test("a flush is noticed, and all is there again after a replay; a rebuild forgets what came from there on", async () => {
  await sink.open();
  const rows = Array.from({ length: 1000 }, (_, offset) =>
    testRow({ offset, timeUs: offset, number: offset, name: `n${offset % 500}` }),
  );
  await sink.write(chunkOf(0, rows));
  expect(cli("DBSIZE")).toBe("501");
  cli("FLUSHALL");
  await expect(sink.write(chunkOf(1000, []))).rejects.toThrow("holds nothing, not what was left there");
  expect(await sink.open()).toMatchObject({ place: undefined });
  await sink.write(chunkOf(0, rows));
  expect(valueOf("n499")).toBe("999");
  await sink.rewind(990, { offset: 990, updated: 2 });
  expect(cli("DBSIZE")).toBe("491");
  expect(await sink.open()).toMatchObject({ place: { offset: 990 } });
  await sink.write(chunkOf(990, rows.slice(990)));
  expect([cli("DBSIZE"), valueOf("n499")]).toEqual(["501", "999"]);
});

test("two channels never share a key, and a wrong clock of the past is overtaken", async () => {
  await sink.open();
  const wild = { timeUs: 4_000_000_000_000_000, arrivedMs: 1_760_000_000_000 };
  await sink.write(
    chunkOf(0, [
      testRow({ offset: 0, source: "barn:a", name: "b", number: 1 }),
      testRow({ offset: 1, source: "barn", name: "a:b", number: 2 }),
      testRow({ offset: 2, name: "t", number: 3, ...wild }),
      testRow({ offset: 3, name: "t", number: 4, timeUs: 1_760_000_001_000_000, arrivedMs: 1_760_000_001_000 }),
    ]),
  );
  expect([valueOf("a:b"), valueOf("t"), cli("DBSIZE")]).toEqual(["2", "4", "4"]);
  expect(cli("HGET", `pad[dock]:last:${"07".repeat(32)}:barn%3Aa:b`, "value")).toBe("1");
});

test("a cache in an older form is emptied, and filled again from the start of the log", async () => {
  cli("SET", "pad[dock]:place", JSON.stringify({ offset: 5, updated: 1, log: "aa", behind: null }));
  cli("HSET", `pad[dock]:last:${"07".repeat(32)}:barn:a:b`, "order", "0".repeat(41), "value", "1");
  cli("SET", "other", "mine");
  expect(await sink.open()).toMatchObject({ place: undefined });
  expect(cli("KEYS", "*")).toBe("other");
  await sink.write(chunkOf(0, [testRow({ name: "t" })]));
  expect(await sink.open()).toMatchObject({ place: { offset: 1 } });
});

const askFor = (name: string): LastAsk => ({
  filter: {
    gateway: "07".repeat(32),
    source: { text: "barn", isPrefix: false },
    name: { text: name, isPrefix: false },
  },
  after: null,
  limit: 10,
  logEnd: 3,
});

describe("as a tier below the last values in memory", () => {
  const rows = ["a", "b", "c"].map((name, offset) => testRow({ offset, name, number: offset, unit: null, sum: 7 }));
  let tier: RedisTier;
  let tiers: LastTiers;

  /** Memory that has lost the reading of `a` and `b`. */
  function begin(): void {
    const values = new LastValues(1);
    for (const [from, row] of rows.entries()) values.take(from, [row]);
    tier = new RedisTier(options);
    tiers = new LastTiers({ values, offset: () => 3, tiers: [tier], clock: systemClock });
  }

  afterEach(() => tier.close());

  test("gives what the memory lost, and no older one than that", async () => {
    await sink.open();
    await sink.write(chunkOf(0, rows.slice(0, 1)));
    begin();
    const lost = { tier: "redis", values: [{ since: 0, reading: readingOf(rows[0]!) }], notes: [/up to offset 1;/u] };
    expect(await tiers.answer(askFor("a"))).toMatchObject(lost);
    // Redis has seen less of the log than the memory lost: it stays out of it.
    expect(await tiers.answer(askFor("a"))).toMatchObject({ tier: "redis" });
    expect(await tiers.answer(askFor("b"))).toMatchObject({ values: [], notes: [] });
    await sink.write(chunkOf(1, rows.slice(1)));
    expect(await tiers.answer(askFor("b"))).toMatchObject({
      tier: "redis",
      values: [{ reading: readingOf(rows[1]!) }],
    });
    expect(await tiers.answer(askFor("b"))).toMatchObject({ tier: "memory" });
    expect(await tiers.answer(askFor("nothing"))).toMatchObject({ values: [], isWhole: false, notes: [] });
  });

  test("holds nobody up when it hangs, is gone, or refuses, and is asked again when it is back", async () => {
    await sink.open();
    await sink.write(chunkOf(0, rows));
    begin();
    expect(await tiers.answer(askFor("a"))).toMatchObject({ tier: "redis" });
    server.signal("SIGSTOP");
    // Nothing but its own waits ends these: a lasting one would end the test.
    const hung = await tiers.answer(askFor("b"));
    expect(hung).toMatchObject({ values: [], notes: [expect.stringMatching(/^redis: /u)] });
    server.signal("SIGCONT");
    begin();
    await server.kill();
    expect(await tiers.answer(askFor("b"))).toMatchObject({ values: [], notes: [/^redis: .*cannot be used/u] });
    await server.resume();
    // It rests for a while, and then its data is there again.
    await expect.poll(() => tiers.answer(askFor("b")), { timeout: 60_000 }).toMatchObject({ tier: "redis" });
    cli("SET", `pad[dock]:last:${"07".repeat(32)}:barn:a`, "mine");
    begin();
    expect(await tiers.answer(askFor("a"))).toMatchObject({ values: [], notes: [/WRONGTYPE/u] });
    cli("DEL", `pad[dock]:last:${"07".repeat(32)}:barn:a`);
    cli("HSET", `pad[dock]:last:${"07".repeat(32)}:barn:a`, "value", "5");
    begin();
    expect(await tiers.answer(askFor("a"))).toMatchObject({ values: [], notes: [] });
  });
});

describe("what goes wrong is told", () => {
  test("a server that is away, a password, a place that is none, no room", async () => {
    cli("CONFIG", "SET", "requirepass", "secret");
    await writeFile(join(server.directory, "wrong"), "wrong");
    await writeFile(join(server.directory, "right"), "secret\n");
    for (const name of ["wrong", "missing"]) {
      const wrong = new RedisSink({ ...options, passwordFile: join(server.directory, name) });
      await expect(wrong.open()).rejects.toMatchObject({ code: "SINK_REFUSED" });
    }
    await expect(new RedisSink(options).open()).rejects.toMatchObject({ code: "SINK_REFUSED" });
    const right = new RedisSink({ ...options, passwordFile: join(server.directory, "right") });
    await right.open();
    await right.close();
    cli("-a", "secret", "CONFIG", "SET", "requirepass", "");
    const away = new RedisSink({ ...options, socketPath: join(server.directory, "nothing") });
    await expect(away.open()).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    await expect(away.write(chunkOf(0, []))).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    cli("SET", "pad[dock]:place", "mine");
    await expect(sink.open()).rejects.toMatchObject({ code: "SINK_REFUSED", message: /is "mine"/u });
    cli("DEL", "pad[dock]:place");
    await sink.open();
    cli("CONFIG", "SET", "maxmemory", "1");
    await expect(sink.write(chunkOf(0, [testRow({ name: "t" })]))).rejects.toThrow(/maxmemory/u);
    cli("CONFIG", "SET", "maxmemory", "0");
    await sink.open();
    await sink.write(chunkOf(0, [testRow({ name: "t" })]));
    expect(valueOf("t")).toBe("21.5");
  });
});

/** How often a server is killed; PADDOCK_REDIS_KILLS for more. */
const KILLS = Number(process.env["PADDOCK_REDIS_KILLS"] ?? 12);

test(`after ${KILLS} kills of the server under load every channel has its newest reading`, async () => {
  const random = seededRandom(11);
  const rows = Array.from({ length: KILLS * 1000 }, (_, offset) =>
    testRow({ offset, timeUs: random.below(1_000_000), number: offset, name: `n${random.below(300)}` }),
  );
  const expected = new Map<string, Row>();
  for (const row of rows) {
    const known = expected.get(row.name);
    if (known === undefined || row.timeUs >= known.timeUs) expected.set(row.name, row);
  }
  // What the sink was told is on the disk then.
  await endServer();
  await startServer("--appendfsync", "always");
  let { place } = await sink.open();
  let kills = 0;
  let failures = 0;
  while ((place?.offset ?? 0) < rows.length) {
    const from = place?.offset ?? 0;
    const size = 1 + random.below(300);
    const write = sink.write(chunkOf(from, rows.slice(from, from + size)));
    const isKill = kills < KILLS && random.below(2) === 0;
    if (isKill) {
      kills++;
      // Somewhere in the midst of it: the event loop gives the write a few turns.
      for (let turn = random.below(6); turn > 0; turn--) await new Promise((done) => setImmediate(done));
      await Promise.all([server.kill(), write.catch(() => failures++)]);
      await server.resume();
      ({ place } = await sink.open());
    } else {
      await write;
      place = { offset: Math.min(rows.length, from + size), updated: 1 };
    }
  }
  expect(kills).toBe(KILLS);
  expect(failures).toBeGreaterThan(0);
  const names = [...expected.keys()];
  const read = await server.askAll(names.map((name) => `HGET "pad[dock]:last:${"07".repeat(32)}:barn:${name}" value`));
  expect(read).toEqual(names.map((name) => String(expected.get(name)!.number)));
  expect(cli("DBSIZE")).toBe(String(expected.size + 1));
});
