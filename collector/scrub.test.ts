import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog, type Log } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import type { Damage } from "@paddock/store/damage.ts";
import type { VerifyOptions } from "@paddock/store/verify.ts";
import type { ChainId, ChainSummary } from "@paddock/store/types.ts";
import { chainText } from "./chain-name.ts";
import { Scrub } from "./scrub.ts";
import { SCRUB_FILE, type ScrubNotes } from "./scrub-notes.ts";

const CHAIN: ChainId = { gateway: Buffer.alloc(32, 1), lane: 1, epoch: 0 };
const LOG_END = 100;

let directory: string;
let clock: VirtualClock;
/** What was looked at, in order. */
let looked: string[];
let damage: Damage[];

/** One chain of 64 batches, two steps, and a log of 100 records; batch 40 is damaged. */
const ledger = {
  chains: () => [summary],
  chain: () => summary,
  damage: () => damage,
  logEnd: () => LOG_END,
  verify: (chain: ChainId, { from, to }: VerifyOptions = {}) => {
    looked.push(`${from}-${to}`);
    if (from! <= 40 && to! >= 40 && damage.length === 0) {
      damage.push(
        { chain, seq: 40, what: "payload", detail: "" },
        { chain: undefined, offset: 7, what: "log", detail: "" },
      );
    }
    return Promise.resolve({ chain, batches: 32, records: 32, bytes: 1 << 20, evicted: 0, breaks: [], broken: 0 });
  },
  verifyLog: (from: number, limit: number) => {
    looked.push(`log ${from} ${limit}`);
    return Promise.resolve({ next: LOG_END, lost: 0 });
  },
};
const summary = {
  id: CHAIN,
  held: [[0, 63]],
  head: { seq: 63, hash: CHAIN.gateway },
  bytes: 64,
} as unknown as ChainSummary;

const open = (): Promise<Scrub> => Scrub.open(ledger, directory, clock, silentLog);
const notes = async (): Promise<ScrubNotes> =>
  JSON.parse(await readFile(join(directory, SCRUB_FILE), "utf8")) as ScrubNotes;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-scrub-"));
  clock = new VirtualClock();
  looked = [];
  damage = [];
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test("looks through all there is at its pace, notes damage at once, and goes on after a restart where it was", async () => {
  const scrub = await open();
  await until(() => expect(looked).toEqual(["0-31"]));
  expect(scrub.progress).toMatchObject({ rounds: 0, completed: null, share: 0.5 });
  clock.advance(1999);
  await new Promise((resolve) => void setImmediate(resolve));
  expect(looked).toHaveLength(1);
  clock.advance(1);
  await until(() => expect(looked).toEqual(["0-31", "31-63"]));
  await until(async () => expect((await notes()).batches).toEqual([{ chain: chainText(CHAIN), seq: 40 }]));
  await scrub.close();
  expect((await notes()).offsets).toEqual([7]);

  // Known damage is looked at first: the disk says whether it is still there. Then the log, where it was.
  [looked, damage] = [[], []];
  const again = await open();
  await until(() => expect(looked).toEqual(["40-40", "log 7 1", "log 0 4096"]));
  expect(damage).toHaveLength(2);
  clock.advance(1000);
  await until(() => expect(again.progress).toEqual({ rounds: 1, completed: clock.wallMs(), share: 0 }));
  await again.close();
  expect(await notes()).toMatchObject({ rounds: 1, position: null, batches: [{ seq: 40 }] });
});

test("begins the next round an hour later", async () => {
  await writeFile(
    join(directory, SCRUB_FILE),
    JSON.stringify({ rounds: 4, completed: 5, position: { seq: 0, offset: LOG_END }, batches: [], offsets: [] }),
  );
  const scrub = await open();
  await until(() => expect(scrub.progress.rounds).toBe(5));
  expect(looked).toEqual([]);
  await until(() => {
    clock.advance(3_600_000);
    expect(looked).toContain("0-31");
  });
  await scrub.close();
});

test("what cannot be read is told once, and the look goes on behind it, round after round", async () => {
  const told: unknown[] = [];
  const log: Log = { ...silentLog, warn: (event, fields) => told.push([event, fields]) };
  const failing = {
    ...ledger,
    verify: (chain: ChainId, options: VerifyOptions = {}) => {
      if (options.from !== 0) return ledger.verify(chain, options);
      looked.push("failed");
      return Promise.reject(new Error("I/O error"));
    },
    verifyLog: () => {
      looked.push("log failed");
      return Promise.reject(new Error("I/O error"));
    },
  };
  const scrub = await Scrub.open(failing, directory, clock, log);
  const round = ["failed", "31-63", "log failed"];
  for (const rounds of [1, 2]) {
    await until(() => {
      if (scrub.progress.rounds === rounds) return true;
      // Far enough for the pause between two rounds, whenever it has begun.
      clock.advance(3_600_000);
      return false;
    });
    if (rounds === 1) expect(looked).toEqual(round);
  }
  expect(looked.slice(0, 6)).toEqual([...round, ...round]);
  expect(told).toEqual([
    ["scrub-failed", { message: "I/O error" }],
    ["scrub-incomplete", { unreadable: 2 }],
    ["scrub-incomplete", { unreadable: 2 }],
  ]);
  await scrub.close();
});

test.each(["", "{}", '{"rounds":-1}', "[]"])("a damaged file (%j) is set aside and costs a round", async (text) => {
  await writeFile(join(directory, SCRUB_FILE), text);
  const scrub = await open();
  await until(() => expect(looked).toEqual(["0-31"]));
  await scrub.close();
  expect(await readdir(directory)).toContain(`${SCRUB_FILE}.damaged`);
});
