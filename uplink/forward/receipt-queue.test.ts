import { expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { openReceipt, signReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import type { VerifiedReceipt } from "./ports.ts";
import { ReceiptQueue } from "./receipt-queue.ts";
import { MemorySource } from "./testing/memory-source.ts";

const collector = generateIdentity();
const gateway = generateIdentity();

function receipt(held: Receipt["held"], bare: Receipt["bare"] = [], epoch = 0): VerifiedReceipt {
  const body = { gateway: gateway.id, lane: 1, epoch, held, bare, linked: 0, head: null, received: 0 } as const;
  const encoded = signReceipt(collector, body);
  return { receipt: expectAccepted(openReceipt(encoded, collector.publicKey)), encoded };
}

/** Notes which receipts are written, and writes slowly enough that the later ones wait. */
class SlowSource extends MemorySource {
  readonly written: [Receipt["held"], Receipt["bare"], Receipt["held"]][] = [];

  override async acknowledge(
    ...[, { held, bare }, , confirmed]: Parameters<MemorySource["acknowledge"]>
  ): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.written.push([held, bare, confirmed]);
  }
}

async function writtenOf(...receipts: readonly [VerifiedReceipt, Receipt["held"]][]) {
  const source = new SlowSource(gateway);
  const queue = new ReceiptQueue(source);
  let settled = 0;
  for (const [verified, confirmed] of receipts) {
    queue.add(verified.receipt, verified, confirmed, (failure) => {
      expect(failure).toBeUndefined();
      settled++;
    });
  }
  await queue.idle();
  expect(settled).toBe(receipts.length);
  return source.written;
}

const first = [receipt([[0, 0]]), [[0, 0]]] as const;

test("receipts that wait are written as one when the newest says all that the older ones say", async () => {
  const written = await writtenOf([...first], [receipt([[0, 1]]), [[1, 1]]], [receipt([[0, 2]]), [[2, 2]]]);
  expect(written).toEqual([
    [[[0, 0]], [], [[0, 0]]],
    [[[0, 2]], [], [[1, 2]]],
  ]);
});

test("an older receipt that holds more is written for itself", async () => {
  const written = await writtenOf([...first], [receipt([[0, 5]]), [[5, 5]]], [receipt([[0, 2]]), [[2, 2]]]);
  expect(written.slice(1)).toEqual([
    [[[0, 5]], [], [[5, 5]]],
    [[[0, 2]], [], [[2, 2]]],
  ]);
});

test("an older receipt that holds whole what the newer calls bare is written for itself", async () => {
  const written = await writtenOf([...first], [receipt([[0, 2]]), [[1, 1]]], [receipt([[0, 3]], [[1, 1]]), [[3, 3]]]);
  expect(written).toHaveLength(3);
  const fills = await writtenOf([...first], [receipt([[0, 2]], [[1, 1]]), [[2, 2]]], [receipt([[0, 2]]), [[1, 1]]]);
  expect(fills.slice(1)).toEqual([[[[0, 2]], [], [[1, 2]]]]);
});

test("it is idle only when the receipts of every chain are written, and one that cannot be written is told with its reason", async () => {
  const writes = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  class HeldSource extends MemorySource {
    override acknowledge(...[{ epoch }]: Parameters<MemorySource["acknowledge"]>): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      writes.set(epoch, { resolve, reject });
      return promise;
    }
  }
  const queue = new ReceiptQueue(new HeldSource(gateway));
  const ends: (string | undefined)[] = [];
  for (const epoch of [0, 1]) {
    const verified = receipt([[0, 0]], [], epoch);
    queue.add(verified.receipt, verified, [[0, 0]], (failure) => ends.push(failure));
  }
  let idle = false;
  const waited = queue.idle().then(() => (idle = true));
  writes.get(0)!.reject(new Error("the disk is gone"));
  await new Promise((resolve) => setImmediate(resolve));
  expect({ ends, idle }).toEqual({ ends: ["the disk is gone"], idle: false });
  writes.get(1)!.resolve();
  await waited;
  expect(ends).toEqual(["the disk is gone", undefined]);
});
