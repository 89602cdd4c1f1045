import { Readable, Writable } from "node:stream";
import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { memoryDatabase } from "@paddock/store/testing/memory-database.ts";
import { Sealer } from "@paddock/store/testing/sealer.ts";
import type { Ledger } from "../ledger.ts";
import type { LogLine } from "./log-line.ts";
import { readLogLines } from "./log-reader.ts";

async function ledgerWith(batches: number): Promise<{ ledger: ChainStore; sealer: Sealer }> {
  const ledger = await ChainStore.open({
    database: memoryDatabase(),
    maxBytes: 1 << 30,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: true,
    clock: new VirtualClock(),
  });
  const sealer = new Sealer();
  if (batches > 0) await ledger.append({ chain: sealer.chain, batches: sealer.sealMany(batches) });
  return { ledger, sealer };
}

const request = { from: 0, limit: undefined, follow: false, format: "ndjson" } as const;
const offsetOf = (line: Buffer): number => (JSON.parse(line.toString("utf8")) as LogLine).offset;

test("a reader that stops costs a page, however long the log is", async () => {
  const { ledger } = await ledgerWith(200);
  let pages = 0;
  const counted: Ledger = new Proxy(ledger, {
    get(target, name) {
      if (name === "readLog") pages++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const signal = new AbortController().signal;
  const stuck = new Writable({ highWaterMark: 1, write: () => {} });
  const lines = Readable.from(readLogLines(counted, request, signal), { highWaterMark: 1 });
  lines.pipe(stuck);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => void setImmediate(resolve));
  expect(pages).toBe(1);
  lines.destroy();
  await ledger.close();
});

test("a follower sees what arrives, and an abort ends its wait", async () => {
  const { ledger, sealer } = await ledgerWith(2);
  const stop = new AbortController();
  const lines = readLogLines(ledger, { ...request, follow: true }, stop.signal);
  expect(offsetOf((await lines.next()).value as Buffer)).toBe(0);
  expect(offsetOf((await lines.next()).value as Buffer)).toBe(1);
  const third = lines.next();
  await ledger.append({ chain: sealer.chain, batches: sealer.sealMany(1) });
  expect(offsetOf((await third).value as Buffer)).toBe(2);
  const waiting = lines.next();
  stop.abort();
  expect((await waiting).done).toBe(true);
  await ledger.close();
});

test("from any offset with any limit the log gives the same lines", async () => {
  const { ledger } = await ledgerWith(40);
  const signal = new AbortController().signal;
  for (const [from, limit] of [
    [0, 40],
    [7, 5],
    [39, 9],
    [40, 1],
    [0, 0],
  ] as const) {
    const offsets = [];
    for await (const line of readLogLines(ledger, { ...request, from, limit }, signal)) offsets.push(offsetOf(line));
    expect(offsets).toEqual(Array.from({ length: Math.min(limit, 40 - from) }, (_, at) => from + at));
  }
  await ledger.close();
});

test("beyond the end nothing passes for the end of the log", async () => {
  const { ledger } = await ledgerWith(3);
  const lines = readLogLines(ledger, { ...request, from: 4 }, new AbortController().signal);
  await expect(lines.next()).rejects.toThrow(/4 is beyond the end of the log, 3/u);
  await ledger.close();
});
