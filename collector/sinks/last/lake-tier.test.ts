import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PLAIN_ROW, writeLakeFile } from "../../testing/small-lake.ts";
import type { Row } from "../row.ts";
import { LakeTier } from "./lake-tier.ts";
import { readingOf } from "./reading.ts";

let lake: string;
const { timeUs, gateway, source } = PLAIN_ROW;
const row = (name: string, more: Partial<Row> = {}): Row => ({ ...PLAIN_ROW, name, ...more });
const none = { number: null, unit: null };

const newest = row("room:temp", { offset: 7, part: 2, timeUs: timeUs + 5_000_001, lane: "alarm", seq: 3, index: 1 });
const kinds = [
  row("a:text", { ...none, text: "it's" }),
  row("a:flag", { ...none, flag: false }),
  row("a:data", { ...none, data: Buffer.from([255, 0]), contentFormat: "60" }),
  row("a:exact", { number: 2 ** 53, exact: "9007199254740993" }),
  row("a:zero", { number: -0 }),
  row("a:nan", { ...none, whyNoNumber: "nan" }),
  row("a:sum", { ...none, sum: 7, updateS: 60 }),
  row("it's %/ö"),
];

beforeAll(async () => {
  lake = await mkdtemp(join(tmpdir(), "paddock-lake-[1]-"));
  const day = 86_400_000_000;
  // A clock that ran ahead counts as its arrival.
  const wild = row("room:temp", { offset: 5, timeUs: timeUs + day, arrivedMs: timeUs / 1000 });
  await writeLakeFile(lake, "north", [row("room:temp", { offset: 6 }), wild, newest]);
  await writeLakeFile(lake, "north", [row("room:temp", { offset: 9, source: "mote-2", timeUs: timeUs + day })]);
  await writeLakeFile(lake, "south", [row("other:temp", { offset: 10, timeUs: timeUs + day })]);
  await writeLakeFile(lake, "north", [row("room:temp", { offset: 1, timeUs: timeUs - day })]);
  for (const one of kinds) await writeLakeFile(lake, "north", [one]);
});
afterAll(() => rm(lake, { recursive: true, force: true }));

const look = (name: string, directory = lake) => new LakeTier(directory).find({ gateway, source, name });
const found = (one: Row) => ({ found: { reading: readingOf(one), since: null, upTo: null } });

test("finds the newest reading of a channel, in any kind", async () => {
  expect(await look("room:temp")).toEqual(found(newest));
  for (const one of kinds) expect(await look(one.name)).toEqual(found(one));
  expect(await look("room:nothing")).toEqual({});
  expect(await new LakeTier(lake).find({ gateway: "0".repeat(64), source, name: "room:temp" })).toEqual({});
  expect(await look("room:temp", join(lake, "none"))).toEqual({});
});

test("looks also where measurements lie that came when there were too many", async () => {
  const late = row("room:temp", { offset: 20, timeUs: timeUs + 9_000_000 });
  await writeLakeFile(lake, "north", [late], { measurement: "_other", name: "part-9" });
  expect(await look("room:temp")).toEqual(found(late));
});

test("one look at a time", async () => {
  const tier = new LakeTier(lake);
  const channel = { gateway, source, name: "a:text" };
  const first = tier.find(channel);
  await expect(tier.find(channel)).rejects.toThrow(/another look/u);
  expect(await first).toEqual(found(kinds[0]!));
  expect(await tier.find(channel)).toEqual(found(kinds[0]!));
});
