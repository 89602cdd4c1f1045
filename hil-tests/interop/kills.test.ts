import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { seededRandom, type Random } from "@paddock/base/random.ts";
import { Farm } from "../kills/farm.ts";
import { expectWhole } from "../kills/whole.ts";

/**
 * SIGKILL at any moment under load, of whatever stands between a sensor and the people who use the data. PADDOCK_KILLS is
 * how many in all, PADDOCK_KILLS_SEED where chance begins.
 */
const KILLS = Number(process.env["PADDOCK_KILLS"] ?? 12);
const SEED = Number(process.env["PADDOCK_KILLS_SEED"] ?? 281_128);
const LIMIT_MS = 300_000 + KILLS * 30_000;
/** A kill comes within this time: some chunks of each sink. */
const MOMENT_MS = 700;

/** Kills one, and sees that it comes back. */
type Kill = (farm: Farm) => Promise<void>;

const VICTIMS: Readonly<Record<string, Kill>> = {
  collector: (farm) => farm.collector.kill(),
  gateway: (farm) => farm.gateway.kill(),
  sinks: async (farm) => farm.killSinks(),
  mariadb: async ({ mariadb }) => {
    await mariadb.kill();
    await mariadb.resume();
  },
  redis: async ({ redis }) => {
    await redis.kill();
    await redis.resume();
  },
};

test(`${KILLS} kills from seed ${SEED}: what is in every sink is the ledger`, { timeout: LIMIT_MS }, async () => {
  const farm = await Farm.start(SEED);
  try {
    const killed = await killAll(farm, seededRandom(SEED));
    expect(Object.values(killed).reduce((sum, count) => sum + count, 0)).toBe(KILLS);
    expect(farm.isSending).toBe(true);
    await farm.drain();
    await expectWhole(farm);
  } finally {
    await farm.stop();
  }
});

/**
 * Rounds in which each is killed once, in an order of chance, a moment after readings have come through to every sink; of
 * three kills one comes while the one before is not mended.
 */
async function killAll(farm: Farm, random: Random): Promise<Record<string, number>> {
  const killed: Record<string, number> = {};
  let underWay: Promise<void>[] = [];
  let round: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    if (round.length === 0) round = shuffled(Object.keys(VICTIMS), random);
    const victim = round.pop()!;
    if (kill === 0 || random.below(3) > 0) {
      await Promise.all(underWay);
      underWay = [];
      await farm.goesOn();
    }
    await pause(random.below(MOMENT_MS));
    killed[victim] = (killed[victim] ?? 0) + 1;
    underWay.push(VICTIMS[victim]!(farm));
  }
  await Promise.all(underWay);
  await farm.goesOn();
  return killed;
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}
