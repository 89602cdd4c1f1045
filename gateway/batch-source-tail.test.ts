import * as fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import type { PaddockError } from "@paddock/base/errors.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { chainBytes, KEY_SPACES, seqKey } from "@paddock/store/keyspace.ts";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import type { ChainId, StoreWrite } from "@paddock/store/types.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { openReceipt, signReceipt } from "@paddock/wire/receipt.ts";
import { ChainBatchSource } from "./batch-source.ts";
import { testDisk } from "./testing/commit-world.ts";

const gateway = testIdentity(1);
const collector = testIdentity(2);

/** A buffer and the forwarder's view of it, which can lose its memory and damage its disk. */
class Buffered {
  readonly #clock = new VirtualClock();
  readonly #disk = testDisk(this.#clock);
  readonly #hotBytes: number;
  store!: ChainStore;
  source!: ChainBatchSource;

  constructor(hotBytes: number) {
    this.#hotBytes = hotBytes;
  }

  async open(): Promise<void> {
    this.store = await ChainStore.open({
      database: this.#disk,
      maxBytes: 1 << 20,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog: false,
      hotBytes: this.#hotBytes,
      clock: this.#clock,
    });
    this.source = new ChainBatchSource({
      store: this.store,
      gateway: gateway.id,
      onSealed: () => {},
      roomFreed: () => {},
      onDiverged: () => {},
      quarantine: async ({ chain, seqs }) =>
        (await this.store.append({ chain, batches: [], evict: [{ chain, seqs }] })).ok,
      clock: this.#clock,
      log: silentLog,
      fatal: (error) => expect(error).toBeUndefined(),
    });
  }

  /** Uses its buffers again after the write, as the commit loop does. */
  async append(write: StoreWrite): Promise<unknown> {
    const batches = write.batches.map(({ header, payload }) => ({
      header: Buffer.from(header),
      payload: payload && Buffer.from(payload),
    }));
    const { ok } = await this.store.append({ ...write, batches });
    for (const { header, payload } of batches) {
      header.fill(0);
      payload?.fill(0);
    }
    return ok;
  }

  async restart(lose: readonly { readonly chain: ChainId; readonly seq: number }[]): Promise<void> {
    await this.source.stop();
    await this.store.close();
    await this.#disk.open();
    const operations = lose.map(({ chain, seq }) => {
      return { type: "del" as const, key: seqKey(KEY_SPACES.payload, chainBytes(chain), seq) };
    });
    await this.#disk.batch(operations, { sync: true });
    await this.#disk.close();
    await this.open();
  }

  async close(): Promise<void> {
    await this.source.stop();
    await this.store.close();
  }
}

const lane = fc.constantFrom<Lane>(0, 1, 2);
const window = fc.tuple(fc.nat(14), fc.nat(8)).map(([first, more]): [number, number] => [first, first + more]);
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("seal" as const),
        lane,
        count: fc.integer({ min: 1, max: 4 }),
        bytes: fc.oneof(fc.nat(60), fc.nat(3000)),
        evict: fc.option(window, { nil: undefined, freq: 5 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("receipt" as const), lane, held: window }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("evict" as const), lane, seqs: window }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("epoch" as const), lane }) },
    { weight: 1, arbitrary: fc.constant({ kind: "trim" as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), lane, lose: fc.option(fc.nat(14)) }) },
  ),
  { minLength: 3, maxLength: 25, size: "max" },
);
const looks = fc.array(fc.record({ seqs: window, maxBytes: fc.oneof(fc.nat(2000), fc.nat(20_000)) }), {
  minLength: 1,
  maxLength: 4,
});

test("with a tail in memory the forwarder gets, byte for byte, what it gets from the disk alone", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(steps, looks, fc.constantFrom(2000, 8000, 1 << 20), async (run, windows, hotBytes) => {
      const both = [new Buffered(hotBytes), new Buffered(0)] as const;
      const each = async <Value>(what: (one: Buffered) => Promise<Value>): Promise<void> => {
        const [tailed, plain] = [await what(both[0]), await what(both[1])];
        expect(tailed).toEqual(plain);
      };
      await each((one) => one.open());
      const sealers = new Map<Lane, Sealer>();
      const sealerOf = (of: Lane) =>
        sealers.get(of) ?? sealers.set(of, new Sealer({ identity: gateway, lane: of })).get(of)!;
      let salt = 0;
      for (const step of run) {
        if (step.kind === "seal") {
          const sealer = sealerOf(step.lane);
          const batches = Array.from({ length: step.count }, () => sealer.seal(testPayload(salt++, step.bytes)));
          const { chain } = sealer;
          const evict = step.evict === undefined ? [] : [{ chain, seqs: [step.evict] }];
          await each(async (one) => {
            // What a receipt names is not given up; then everything of the write is refused and comes again without.
            if (!(await one.append({ chain, batches, evict }))) await one.append({ chain, batches });
          });
        } else if (step.kind === "evict") {
          const { chain } = sealerOf(step.lane);
          await each((one) => one.append({ chain, batches: [], evict: [{ chain, seqs: [step.seqs] }] }));
        } else if (step.kind === "epoch") {
          const { chain, previous, seq } = sealerOf(step.lane);
          if (seq === 0) continue;
          const next = new Sealer({ identity: gateway, lane: step.lane, epoch: chain.epoch + 1, previous });
          sealers.set(step.lane, next);
          const first = next.seal(testPayload(salt++));
          await each((one) => one.append({ chain: next.chain, batches: [first] }));
        } else if (step.kind === "receipt") {
          const { chain } = sealerOf(step.lane);
          const body = { ...chain, held: [step.held], bare: [], linked: 0, head: null, received: 1 };
          const encoded = signReceipt(collector, body);
          const receipt = expectAccepted(openReceipt(encoded, collector.publicKey));
          await each((one) => one.source.acknowledge(chain, receipt, encoded, [step.held]));
        } else if (step.kind === "trim") {
          await each((one) => one.store.trim());
        } else {
          const { chain } = sealerOf(step.lane);
          await each((one) => one.restart(step.lose === null ? [] : [{ chain, seq: step.lose }]));
        }
        for (const { seqs, maxBytes } of windows) {
          for (const { id } of both[1].store.chains()) {
            await each(async ({ source }) => {
              try {
                const batches = await source.read(id, seqs[0], seqs[1], maxBytes);
                compared += batches.length;
                return batches.map(plainly);
              } catch (error) {
                // A lost payload that a receipt names already: nothing is given up for it, so it waits, in both.
                return (error as PaddockError).code;
              }
            });
          }
        }
        expect(both[0].source.backlog()).toEqual(both[1].source.backlog());
      }
      await each((one) => one.close());
    }),
    { numRuns: 40 },
  );
  // How many is chance: mostly more than a thousand.
  expect(compared).toBeGreaterThan(0);
});

function plainly({ header, payload, ...rest }: EncodedBatch) {
  return {
    ...rest,
    header: Buffer.from(header).toString("hex"),
    payload: payload && Buffer.from(payload).toString("hex"),
  };
}
