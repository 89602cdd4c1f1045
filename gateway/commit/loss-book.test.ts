import type { Ranges } from "@paddock/base/ranges.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId, ChainSummary, Duty } from "@paddock/store/types.ts";
import { expect, test } from "vitest";
import { LossBook, NO_LOSS } from "./loss-book.ts";
import { encodeLosses, LOSS_RANGES_MAX, type Loss } from "./losses.ts";
import type { CommitStore } from "./ports.ts";

/** What one lane owes, says and clears away, over a store that holds what the test says. */

const GATEWAY = Buffer.alloc(32, 7);
const chainOf = (epoch: number): ChainId => ({ gateway: GATEWAY, lane: 1, epoch });
const lostOf = (epoch: number, seqs: Ranges, records = 1, bytes = 10): PlannedEviction => ({
  chain: chainOf(epoch),
  seqs,
  records,
  bytes,
});
const lossAt = (epoch: number, ranges: Ranges, reason: Loss["reason"] = "evicted", records = 1, bytes = 10): Loss => ({
  kind: "loss",
  reason,
  epoch,
  ranges,
  records,
  bytes,
});
/** Far apart, so that each is a range of its own. */
const apart = (count: number, from = 0): Ranges =>
  Array.from({ length: count }, (_, run) => [from + 2 * run, from + 2 * run] as const);

type Known = Partial<Pick<ChainSummary, "held" | "evicted" | "acknowledged">>;

function world({
  chains = {},
  saved = {},
  duties = [],
}: {
  chains?: Record<number, Known>;
  saved?: Record<string, readonly Loss[] | string>;
  duties?: readonly Duty[];
} = {}) {
  const plans: PlannedEviction[][] = [];
  const asked: { wanted: number; spared: Ranges }[] = [];
  const store: Partial<CommitStore> = {
    chain: ({ epoch }) => chains[epoch] as ChainSummary | undefined,
    duties: () => duties,
    evictPlan: async ([first], wanted, spared) => {
      asked.push({ wanted, spared: spared(first!) });
      return plans.shift() ?? [];
    },
  };
  const entries = Object.entries(saved).map(
    ([key, value]) => [key, typeof value === "string" ? Buffer.from(value) : encodeLosses(value)] as const,
  );
  const book = new LossBook({ store: store as CommitStore, gateway: GATEWAY, lane: 1, saved: new Map(entries) });
  return { book, chains, plans, asked };
}

const planOf = (book: LossBook, bytes = 0) => book.plan([chainOf(0)], bytes);
const turn = (): Promise<void> => new Promise((done) => void setImmediate(done));

test("what is given up is said with its write, kept beside it, and said again when that batch is given up", async () => {
  const { book, plans } = world({ chains: { 0: { held: [[0, 9]] } } });
  plans.push([lostOf(0, [[0, 1]], 2, 20)], [lostOf(0, [[2, 5]], 4, 40)]);
  const first = await planOf(book, 15);
  expect(first).toEqual({
    ...NO_LOSS,
    evictions: [lostOf(0, [[0, 1]], 2, 20)],
    evict: [lostOf(0, [[0, 1]], 2, 20)],
    losses: [lossAt(0, [[0, 1]], "evicted", 2, 20)],
  });
  expect(book.entries(first, 0, 5)).toEqual([{ key: "loss:telemetry/0/5", value: encodeLosses(first.losses) }]);
  book.said(first, 0, 5);
  expect(book.owing).toBe(false);
  const second = await planOf(book, 30);
  expect(second.losses).toEqual([lossAt(0, [[0, 5]], "evicted", 6, 60)]);
  expect(second.cleared).toEqual(["loss:telemetry/0/5"]);
  expect(book.entries(second, 0, 6)).toEqual([
    { key: "loss:telemetry/0/5", value: null },
    { key: "loss:telemetry/0/6", value: encodeLosses(second.losses) },
  ]);
  book.said(second, 0, 6);
  plans.push([lostOf(0, [[5, 5]])]);
  expect((await planOf(book, 1)).cleared).toEqual([]);
  plans.push([lostOf(1, [[6, 6]])]);
  expect((await planOf(book, 1)).cleared).toEqual([]);
});

test("without bytes to free and anything owed nothing is said or asked", async () => {
  const { book, asked } = world();
  expect(await planOf(book)).toEqual(NO_LOSS);
  expect(book.entries(NO_LOSS, 0, 1)).toEqual([]);
  expect(asked).toEqual([]);
});

const SAVED = { "loss:telemetry/0/5": [lossAt(0, [[0, 0]])] };

test("of what an earlier run said only that stands which its batch still says, or a receipt named", () => {
  for (const [known, owing] of [
    [{ held: [[3, 9]], evicted: [], acknowledged: [] }, false] as const,
    [{ held: [[3, 9]], evicted: [[5, 5]], acknowledged: [] }, true] as const,
    [{ held: [[3, 9]], evicted: [[5, 5]], acknowledged: [[5, 5]] }, false] as const,
    [{ held: [[6, 9]], evicted: [], acknowledged: [] }, true] as const,
    [{ held: [[6, 9]], evicted: [], acknowledged: [[0, 5]] }, false] as const,
    [{}, true] as const,
  ]) {
    expect(world({ chains: { 0: known }, saved: SAVED }).book.owing).toBe(owing);
  }
  expect(world({ saved: SAVED }).book.owing).toBe(true);
});

test("what was said and is gone is owed with all that it said, and its entry is cleared with it", async () => {
  const losses = [lossAt(0, [[1, 2]]), lossAt(1, [[7, 7]], "quarantined", 3, 30)];
  const { book } = world({
    saved: { "loss:telemetry/1/4": losses, "loss:alarm/1/4": losses, "loss:telemetry/1/5": "?" },
  });
  const plan = await planOf(book);
  expect(plan).toMatchObject({ losses, cleared: ["loss:telemetry/1/4"], evict: [], evictions: [], settles: [] });
  expect(plan.owed).toHaveLength(1);
  book.said(plan, 2, 0);
  expect(book.owing).toBe(false);
});

test("a loss that a repair left is owed by its own lane alone, and settles its duty", async () => {
  const duty = (lane: 0 | 1): Duty => ({
    kind: "loss",
    chain: { ...chainOf(0), lane },
    seqs: [[3, 3]],
    records: 2,
    bytes: 20,
  });
  const epoch: Duty = { kind: "epoch", chain: chainOf(0), seqs: [[4, 4]], last: null };
  const { book } = world({ duties: [duty(0), epoch, duty(1)] });
  const plan = await planOf(book);
  expect(plan).toMatchObject({ losses: [lossAt(0, [[3, 3]], "quarantined", 2, 20)], settles: [duty(1)] });
  expect(world({ duties: [duty(0), epoch] }).book.owing).toBe(false);
});

test("a damaged payload is given up with the write that says so, and whoever asked hears how it went", async () => {
  const { book } = world({ chains: { 0: { held: [[0, 9]], evicted: [], acknowledged: [] } } });
  const heard: unknown[] = [];
  const ask = (lost: PlannedEviction) =>
    void book.quarantine(lost).then(
      (said) => heard.push(said),
      (error: unknown) => heard.push(error),
    );
  const lost = lostOf(0, [[2, 3]], 5, 50);
  ask(lost);
  ask(lost);
  const plan = await planOf(book);
  expect(plan).toMatchObject({ evict: [lost], evictions: [], losses: [lossAt(0, [[2, 3]], "quarantined", 5, 50)] });
  expect(plan.owed).toHaveLength(1);
  book.notSaid();
  await turn();
  expect([heard, book.owing]).toEqual([[false, false], true]);
  ask(lost);
  ask(lostOf(0, [[3, 3]]));
  book.said(await planOf(book), 0, 10);
  await turn();
  expect([heard, book.owing]).toEqual([[false, false, true, true], false]);
  // Of other seqs, or of the same ones in another epoch, it is another one.
  ask(lostOf(0, [[2, 3]]));
  ask(lostOf(0, [[3, 4]]));
  ask(lostOf(1, [[2, 3]]));
  expect((await planOf(book)).owed).toHaveLength(3);
  const broken = new Error("broken");
  const waiting = book.quarantine(lost);
  book.fail(broken);
  await expect(waiting).rejects.toBe(broken);
  expect(heard.slice(4)).toEqual([broken, broken, broken]);
});

test("what was given up before, or a receipt names, is no loss", async () => {
  const { book, chains } = world({ chains: { 0: { held: [[0, 9]], evicted: [[0, 1]], acknowledged: [[2, 2]] } } });
  expect(await book.quarantine(lostOf(0, [[0, 2]]))).toBe(true);
  expect(book.owing).toBe(false);
  const asked = book.quarantine(lostOf(0, [[2, 3]]));
  expect(book.owing).toBe(true);
  chains[0] = { held: [[0, 9]], evicted: [], acknowledged: [[2, 3]] };
  expect(await planOf(book)).toEqual(NO_LOSS);
  expect(await asked).toBe(true);
  expect(book.owing).toBe(false);
  // One receipt of several does not speak for the others.
  const heard: boolean[] = [];
  void book.quarantine(lostOf(0, [[7, 8]])).then((said) => heard.push(said));
  const named = book.quarantine(lostOf(0, [[5, 5]]));
  chains[0] = { held: [[0, 9]], evicted: [], acknowledged: [[5, 5]] };
  expect((await planOf(book)).losses).toEqual([lossAt(0, [[7, 8]], "quarantined")]);
  expect(await named).toBe(true);
  await turn();
  expect(heard).toEqual([]);
});

test("what is owed is not given up beside, and goes first", async () => {
  const { book, plans, asked } = world({ chains: { 0: { held: [[0, 9]] } } });
  void book.quarantine(lostOf(0, [[2, 3]]));
  void book.quarantine(lostOf(1, [[5, 5]]));
  plans.push([lostOf(0, [[0, 0]])]);
  const plan = await planOf(book, 8);
  expect(asked).toEqual([{ wanted: 8, spared: [[2, 3]] }]);
  expect(plan.evictions).toEqual([lostOf(0, [[0, 0]])]);
  expect(plan.evict).toEqual([lostOf(0, [[0, 0]]), lostOf(0, [[2, 3]]), lostOf(1, [[5, 5]])]);
  expect(plan.owed).toHaveLength(2);
});

test("what does not fit one batch beside what is given up waits; a batch of too many losses for any stays", async () => {
  const { book, plans, asked } = world({ chains: { 0: { held: [[0, 200]] } } });
  void book.quarantine(lostOf(0, apart(LOSS_RANGES_MAX)));
  plans.push([lostOf(0, [[100, 100]])]);
  const beside = await planOf(book, 8);
  expect([beside.owed, beside.losses]).toEqual([[], [lossAt(0, [[100, 100]])]]);
  // More ranges than one batch can say: less is tried, and what is left of it is spared from then on.
  const many = [lostOf(0, apart(LOSS_RANGES_MAX + 1, 100))];
  plans.push(many, many, many, many, [lostOf(0, [[190, 191]])]);
  asked.length = 0;
  const plan = await planOf(book, 8);
  expect(asked.map(({ wanted }) => wanted)).toEqual([8, 4, 2, 1, 8]);
  const spared = [...apart(LOSS_RANGES_MAX), ...apart(LOSS_RANGES_MAX + 1, 100)];
  expect(asked.map((each) => each.spared.length)).toEqual([32, 32, 32, 32, spared.length]);
  expect(plan.losses).toEqual([lossAt(0, [[190, 191]])]);
});

test("of much that is owed as much is said as one batch can, at least one", async () => {
  const { book } = world({ chains: { 0: { held: [[0, 500]] } } });
  void book.quarantine(lostOf(0, apart(LOSS_RANGES_MAX - 1)));
  void book.quarantine(lostOf(0, [[300, 300]]));
  void book.quarantine(lostOf(0, [[302, 302]]));
  const plan = await planOf(book);
  expect(plan.owed).toHaveLength(2);
  book.said(plan, 0, 501);
  const rest = await planOf(book);
  expect(rest.losses).toEqual([lossAt(0, [[302, 302]], "quarantined")]);
  book.said(rest, 0, 502);
  void book.quarantine(lostOf(0, apart(LOSS_RANGES_MAX + 1)));
  void book.quarantine(lostOf(0, [[400, 400]]));
  const alone = await planOf(book);
  expect(alone.losses).toEqual([lossAt(0, apart(LOSS_RANGES_MAX + 1), "quarantined")]);
});

test("what a receipt has named of what was said is cleared away with the next statement, so much at a time", async () => {
  const statements = Object.fromEntries(
    Array.from({ length: 70 }, (_, seq) => [`loss:telemetry/0/${seq}`, [lossAt(0, [[100, 100]])]]),
  );
  const { book, plans } = world({ chains: { 0: { held: [[0, 99]], acknowledged: [[2, 80]] } }, saved: statements });
  expect((await planOf(book)).cleared).toEqual([]);
  plans.push([lostOf(0, [[90, 90]])]);
  const { cleared } = await planOf(book, 1);
  expect(cleared[0]).toBe("loss:telemetry/0/2");
  expect(cleared).toHaveLength(64);
});
