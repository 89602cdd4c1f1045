/**
 * What the chain store adds to a synced LevelDB put of the same size, and what its live path (append, receipt, trim) costs.
 *
 *   node bench/store.bench.ts [--rounds N] [--directory DIR]
 *
 * Each size runs in turns (bare put, append, bare put, ...), so that both see the same neighbours on the machine; the
 * ratio of the medians is the result. Sealing is not part of it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@paddock/base/clock.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { levelDatabase } from "@paddock/store/database.ts";
import { KEY_SPACES, spaceKey } from "@paddock/store/keyspace.ts";
import { Sealer } from "@paddock/store/testing/sealer.ts";
import type { OfferedBatch } from "@paddock/store/types.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "200" }, directory: { type: "string", default: tmpdir() } },
});
const rounds = Number(values.rounds);
const KIB = 1024;

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

function percentile99(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)]!;
}

async function timed(work: () => Promise<unknown>): Promise<{ ms: number; cpuUs: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuUs: user + system };
}

function openStore(directory: string): Promise<ChainStore> {
  return ChainStore.open({
    directory,
    maxBytes: 4 * 2 ** 30,
    minFreeBytes: 64 << 20,
    ballastBytes: 0,
    arrivalLog: false,
    clock: systemClock,
  });
}

/** Batches as the gateway offers them: header decoded and hashed already. */
function offered(sealer: Sealer, count: number, frameBytes: number): OfferedBatch[] {
  // The record around a frame takes up to 32 bytes.
  return sealer.sealMany(count, frameBytes - 32).map(({ header, payload, hash }) => ({
    header,
    payload,
    hash,
    decoded: expectAccepted(decodeHeader(header)),
  }));
}

async function appendTo(store: ChainStore, sealer: Sealer, batches: readonly OfferedBatch[]): Promise<void> {
  expectAccepted(await store.append({ chain: sealer.chain, batches }));
}

async function appendAgainstPut(root: string, payloadBytes: number): Promise<string> {
  const bare = levelDatabase(join(root, `bare-${payloadBytes}`));
  await bare.open();
  const store = await openStore(join(root, `store-${payloadBytes}`));
  const sealer = new Sealer();
  const batches = offered(sealer, rounds, payloadBytes);
  const put: number[] = [];
  const append: number[] = [];
  let putCpuUs = 0;
  let appendCpuUs = 0;
  for (const [index, batch] of batches.entries()) {
    const key = Buffer.alloc(46);
    key.writeUInt32BE(index, 42);
    const value = batch.payload!;
    const one = await timed(() => bare.batch([{ type: "put", key, value }], { sync: true }));
    const other = await timed(() => appendTo(store, sealer, [batch]));
    put.push(one.ms);
    append.push(other.ms);
    putCpuUs += one.cpuUs;
    appendCpuUs += other.cpuUs;
  }
  await bare.close();
  await store.close();
  const cells = [
    `${payloadBytes / KIB} KiB`,
    `${median(put).toFixed(2)} / ${percentile99(put).toFixed(1)}`,
    `${median(append).toFixed(2)} / ${percentile99(append).toFixed(1)}`,
    (median(append) / median(put)).toFixed(2),
    (putCpuUs / rounds).toFixed(0),
    (appendCpuUs / rounds).toFixed(0),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** Appends as the gateway does at load, with receipts and trims behind them. */
async function livePath(root: string, payloadBytes: number, batchesPerS: number, seconds: number): Promise<string> {
  const store = await openStore(join(root, `live-${payloadBytes}-${batchesPerS}`));
  const sealer = new Sealer();
  const total = batchesPerS * seconds;
  const batches = offered(sealer, total, payloadBytes);
  const receipt = Buffer.alloc(300);
  const latencies: number[] = [];
  const pending: Promise<unknown>[] = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * batchesPerS));
    for (; sent < due; sent++) {
      const began = performance.now();
      const append = appendTo(store, sealer, [batches[sent]!]);
      pending.push(append.then(() => latencies.push(performance.now() - began)));
      if (sent % 8 === 7) pending.push(store.acknowledge(sealer.chain, [[0, sent - 4]], receipt));
      if (sent % 256 === 255) pending.push(store.trim());
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  const elapsedS = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const usage = store.usage();
  await store.close();
  const cells = [
    `${payloadBytes / KIB} KiB`,
    String(batchesPerS),
    (total / elapsedS).toFixed(0),
    `${median(latencies).toFixed(2)} / ${percentile99(latencies).toFixed(1)}`,
    `${((user + system) / 1e4 / elapsedS).toFixed(1)} %`,
    `${(user / 1e4 / elapsedS).toFixed(1)} %`,
    (usage.syncs / elapsedS).toFixed(0),
    (usage.writtenBytes / Math.max(1, usage.payloadBytes)).toFixed(3),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** One read after another over a backlog, as the forwarder drains it. */
async function drain(root: string, payloadBytes: number): Promise<string> {
  const store = await openStore(join(root, `drain-${payloadBytes}`));
  const sealer = new Sealer();
  const total = Math.floor((64 << 20) / payloadBytes);
  const batches = offered(sealer, total, payloadBytes);
  for (let first = 0; first < total; first += 16) {
    await appendTo(store, sealer, batches.slice(first, first + 16));
  }
  const read = await timed(async () => {
    for (let next = 0; next < total;) next += (await store.read(sealer.chain, next, { maxBytes: 1 << 20 })).length;
  });
  const release = await timed(async () => {
    await store.acknowledge(sealer.chain, [[0, total - 2]], Buffer.alloc(300));
    await store.trim();
  });
  await store.close();
  const opened = await timed(async () => (await openStore(join(root, `drain-${payloadBytes}`))).close());
  const mbPerS = (total * payloadBytes) / 1e6 / (read.ms / 1000);
  const perBatch = (sample: { cpuUs: number }): string => (sample.cpuUs / total).toFixed(0);
  const cells = [
    `${payloadBytes / KIB} KiB`,
    total,
    mbPerS.toFixed(0),
    perBatch(read),
    perBatch(release),
    opened.ms.toFixed(1),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** Opening a ledger with entries that its history left behind: with their total, and counted as before there was one. */
async function opening(root: string, entries: number): Promise<string> {
  const directory = join(root, `side-${entries}`);
  const first = await openStore(directory);
  const sealer = new Sealer();
  await appendTo(first, sealer, offered(sealer, 1, KIB));
  for (let from = 0; from < entries; from += 1000) {
    const side = Array.from({ length: Math.min(1000, entries - from) }, (_, index) => ({
      key: `receipt/${from + index}`,
      value: Buffer.alloc(300, index),
    }));
    expectAccepted(await first.append({ chain: sealer.chain, batches: [], side }));
  }
  await first.close();
  const open = async () => (await openStore(directory)).close();
  await open();
  const known = await timed(open);
  const database = levelDatabase(join(directory, "generation-000001"));
  await database.open();
  await database.batch([{ type: "del", key: spaceKey(KEY_SPACES.sideTotal) }], { sync: true });
  await database.close();
  const counted = await timed(open);
  return `| ${entries} | ${known.ms.toFixed(0)} | ${counted.ms.toFixed(0)} |`;
}

const root = mkdtempSync(join(values.directory, "paddock-bench-"));
try {
  console.log(
    `# ${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, load ${loadavg()[0]!.toFixed(2)}\n`,
  );
  console.log(`Median / p99 of ${rounds} synced writes in turns.\n`);
  console.log("| payload | bare put ms | append ms | ratio | put CPU µs | append CPU µs |\n|---|---|---|---|---|---|");
  for (const kib of [4, 16, 64, 256]) console.log(await appendAgainstPut(root, kib * KIB));
  console.log("\nLive path: append at a rate, a receipt every 8, a trim every 256.\n");
  console.log(
    "| payload | offered/s | done/s | append ms | CPU | of it user | syncs/s | written/payload |\n|---|---|---|---|---|---|---|---|",
  );
  for (const [kib, rate] of [
    [0.25, 1000],
    [64, 170],
    [256, 45],
  ] as const) {
    console.log(await livePath(root, kib * KIB, rate, 4));
  }
  console.log("\nDrain of a 64 MiB backlog in 1 MiB reads; then one receipt for all and a trim; then opening again.\n");
  console.log(
    "| payload | batches | read MB/s | read CPU µs/batch | release CPU µs/batch | open ms |\n|---|---|---|---|---|---|",
  );
  for (const kib of [1, 64, 256]) console.log(await drain(root, kib * KIB));
  console.log(`\nLoad at the end ${loadavg()[0]!.toFixed(2)}.`);
  console.log("\nOpening beside side entries of 300 bytes: with their total known, and counted.\n");
  console.log("| entries | open ms | counted, open ms |\n|---|---|---|");
  for (const entries of [10, 100_000, 1_000_000]) console.log(await opening(root, entries));
} finally {
  rmSync(root, { recursive: true, force: true });
}
