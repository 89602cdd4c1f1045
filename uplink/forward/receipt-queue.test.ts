import { expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { openReceipt, signReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import type { VerifiedReceipt } from "./ports.ts";
import { ReceiptQueue } from "./receipt-queue.ts";
import { MemorySource } from "./testing/memory-source.ts";

const collector = generateIdentity();
const gateway = generateIdentity();

function receipt(held: Receipt["held"], bare: Receipt["bare"] = []): VerifiedReceipt {
  const body = { gateway: gateway.id, lane: 1, epoch: 0, held, bare, linked: 0, head: null, received: 0 } as const;
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
