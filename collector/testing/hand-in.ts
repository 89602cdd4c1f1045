import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { CLAIM, type TestCollector } from "./test-collector.ts";

/** Enrols a gateway and hands in batches of it, as many at once as each count says. Throws when one is not taken. */
export async function handIn(collector: TestCollector, counts: readonly number[]): Promise<void> {
  const sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  const client = collector.client();
  for (const count of counts) {
    const { status } = await client.upload(sealer.chain, sealer.sealMany(count));
    if (status !== 200) throw new Error(`an upload is answered ${status}`);
  }
}
