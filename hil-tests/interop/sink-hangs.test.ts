import { afterAll, beforeAll, expect, test } from "vitest";
import { Farm } from "../kills/farm.ts";
import { expectWhole } from "../kills/whole.ts";

/** Servers that stand still: their sockets take what comes, and nothing answers. */

const LIMIT_MS = 900_000;
const DISKS = ["files", "lake"];
const SERVERS = ["sql", "redis"];
let farm: Farm;
beforeAll(async () => {
  farm = await Farm.start(9);
}, LIMIT_MS);
afterAll(() => farm?.stop(), LIMIT_MS);

function signalServers(signal: "SIGSTOP" | "SIGCONT"): void {
  farm.mariadb.signal(signal);
  farm.redis.signal(signal);
}

test(
  "MariaDB and Redis stand still: told, no other sink waits, the collector ends, and then nothing is missing",
  async () => {
    await farm.goesOn();
    signalServers("SIGSTOP");
    await farm.goesOn(DISKS);
    for (const problem of await farm.complaintsOf(SERVERS)) expect(problem).toMatch(/does not answer|cannot be used/u);
    await farm.goesOn(DISKS);
    // What stands still holds up an orderly end no longer than a dead one.
    expect(await farm.collector.end("SIGTERM")).toBe(0);
    await farm.collector.start();
    await farm.goesOn(DISKS);
    // Now they do not even greet.
    await farm.complaintsOf(SERVERS);
    signalServers("SIGCONT");
    await farm.goesOn();
    await farm.drain();
    await expectWhole(farm);
  },
  LIMIT_MS,
);
