import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import type { KeyValueDatabase } from "@paddock/store/database.ts";
import { memoryDatabase } from "@paddock/store/testing/memory-database.ts";
import { CODE_CHANGED, CODE_SERVICE_UNAVAILABLE } from "@paddock/wire/coap-codes.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import { openGateway } from "./compose.ts";
import { parseGatewayConfig } from "./config.ts";
import { CoapSender, senmlFrame } from "./testing/coap-sender.ts";

const FRAMES = 60;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-stop-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A disk whose writes begin at once, and end when `release` is called. */
class HeldDisk {
  readonly database: KeyValueDatabase;
  /** Writes that wait. */
  waiting = 0;
  #held: PromiseWithResolvers<void> | undefined;

  constructor() {
    const inner = memoryDatabase();
    this.database = {
      ...inner,
      batch: async (operations, options) => {
        // The commit loop uses its buffers again after the write.
        const copied = operations.map((operation) =>
          operation.type === "put" ? { ...operation, value: Buffer.from(operation.value) } : operation,
        );
        this.waiting++;
        await this.#held?.promise;
        this.waiting--;
        await inner.batch(copied, options);
      },
    };
  }

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held!.resolve();
    this.#held = undefined;
  }
}

test("a planned stop with a slow disk: the answer of every frame that is sealed leaves before the sockets close", async () => {
  const disk = new HeldDisk();
  const config = parseGatewayConfig({
    dataDir: directory,
    listen: [{ address: "::", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
  });
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog, database: disk.database });
  const sender = await CoapSender.open(gateway.addresses[0]!.port);
  const codes: (number | undefined)[] = [];
  const post = (value: number): void => {
    const path = ["i", LANES[value % LANES.length]!];
    void sender.post(path, senmlFrame("thermo", value)).then((code) => codes.push(code));
  };
  const answered = (code: number): number => codes.filter((one) => one === code).length;

  disk.hold();
  for (let value = 0; value < LANES.length; value++) post(value);
  await until(() => disk.waiting > 0);
  // These are taken while that write is under way.
  for (let value = LANES.length; value < FRAMES; value++) post(value);
  await until(async () => {
    const { lanes } = await gateway.status.status();
    return lanes.reduce((sum, { acceptedFrames }) => sum + acceptedFrames, 0) === FRAMES;
  });
  const stopped = gateway.stop();
  post(FRAMES);
  await until(() => answered(CODE_SERVICE_UNAVAILABLE) === 1);
  expect(answered(CODE_CHANGED)).toBe(0);
  disk.release();
  await stopped;

  const limits = { maxBytes: 1 << 30, minFreeBytes: 0, ballastBytes: 0 };
  const store = await ChainStore.open({ database: disk.database, ...limits, arrivalLog: false, clock: systemClock });
  const stored = store.chains().reduce((sum, { records }) => sum + records, 0);
  await store.close();
  expect(stored).toBe(FRAMES);
  // What was sent before the sockets closed lies in ours.
  await until(() => answered(CODE_CHANGED) === stored);
  sender.close();
});
