import { expect, test } from "vitest";
import { RUNS_MAX } from "./chain-state.ts";
import { placeInMemory } from "./testing/places.ts";
import { Sealer, type SealedBatch } from "./testing/sealer.ts";

test("a peer cannot make the state of a chain large by leaving gaps, and filling them goes on", async () => {
  const store = await placeInMemory().open({ arrivalLog: true });
  const sealer = new Sealer();
  const [first, second, third] = sealer.sealMany(3);
  const gapped = [first!, third!];
  while (gapped.length <= RUNS_MAX) {
    sealer.seq++;
    gapped.push(sealer.seal());
  }
  const append = (batches: readonly SealedBatch[]) => store.append({ chain: sealer.chain, batches });
  expect(await append(gapped.slice(0, RUNS_MAX))).toMatchObject({ ok: true });
  expect(await append(gapped.slice(RUNS_MAX))).toMatchObject({ ok: false, reason: "full" });
  expect(await append([second!])).toMatchObject({ ok: true });
  expect(await append(gapped.slice(RUNS_MAX))).toMatchObject({ ok: true });
  expect(store.chain(sealer.chain)).toMatchObject({ linked: 3, head: { seq: 2 * RUNS_MAX } });
  await store.close();
});
