import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { contains, countOf } from "@paddock/base/ranges.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import { chargedBytes } from "./store-core.ts";
import type { ChainStore } from "./chain-store.ts";
import { placeOnDisk } from "./testing/places.ts";
import { Sealer, testIdentity } from "./testing/sealer.ts";

const CHILD = fileURLToPath(new URL("testing/append-child.ts", import.meta.url));
const { chain } = new Sealer();
/** Of each of two processes. */
const KILLS = 1 + scaled(27);

/** Runs the child, kills it `afterMs` after it said `afterLines` lines, and gives what it said was stored. */
async function runAndKill(
  directory: string,
  afterLines: number,
  afterMs: number,
): Promise<[seq: number, hash: string][]> {
  const child = spawn(process.execPath, [CHILD, directory], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let complaint = "";
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.split("\n").length > afterLines) timer ??= setTimeout(() => child.kill("SIGKILL"), afterMs);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const [, signal] = (await once(child, "close")) as [number | null, string | null];
  if (signal !== "SIGKILL") throw new Error(`the child ended by itself: ${complaint}`);
  // The last line may be cut.
  const lines = output.slice(0, output.lastIndexOf("\n")).split("\n").slice(1);
  return lines.map((line) => {
    const [seq, hash] = line.split(" ");
    return [Number(seq), hash!];
  });
}

async function expectSound(store: ChainStore, acknowledged: ReadonlyMap<number, string>): Promise<void> {
  const summary = store.chain(chain);
  if (summary === undefined) {
    expect(acknowledged.size).toBe(0);
    return;
  }
  expect(store.recovery).toEqual([]);
  const hashes = new Map<number, string>();
  for (const [first, last] of summary.held) {
    for (const { seq, header } of await store.readHeaders(chain, first, last)) {
      hashes.set(seq, headerHash(header).toString("hex"));
    }
  }
  const wrong = [...acknowledged].filter(([seq, hash]) =>
    hashes.has(seq) ? hashes.get(seq) !== hash : !contains(summary.trimmed, seq),
  );
  expect(wrong, "stored batches that are lost or another").toEqual([]);
  const found = await store.verify(chain, { publicKey: testIdentity().publicKey });
  expect(found).toMatchObject({ broken: 0, breaks: [], bytes: summary.bytes, records: summary.records });
  expect({ batches: found.batches, evicted: found.evicted }).toEqual({
    batches: countOf(summary.held),
    evicted: countOf(summary.evicted),
  });
  expect(store.usage().bytes).toBe(chargedBytes(summary.bytes, countOf(summary.held)));
  expect(summary.linked).toBe(summary.head!.seq + 1);
}

async function killAgainAndAgain(seed: number, kills: number): Promise<void> {
  const place = placeOnDisk();
  const random = seededRandom(seed);
  const acknowledged = new Map<number, string>();
  const again: number[] = [];
  let trimmed = 0;
  for (let kill = 0; kill < kills; kill++) {
    for (const [seq, hash] of await runAndKill(place.directory, 1 + random.below(60), random.below(20))) {
      if (acknowledged.has(seq)) again.push(seq);
      acknowledged.set(seq, hash);
    }
    const store = await place.open();
    await expectSound(store, acknowledged);
    trimmed = countOf(store.chain(chain)?.trimmed ?? []);
    await store.close();
  }
  expect(again, "seqs that were given out twice").toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(kills);
  expect(trimmed).toBeGreaterThan(0);
  place.remove();
}

test(`a process killed ${2 * KILLS} times loses no batch that it said was stored, and never forks`, async () => {
  await Promise.all([killAgainAndAgain(1, KILLS), killAgainAndAgain(2, KILLS)]);
});
