import { afterAll, beforeAll, expect, test } from "vitest";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { hexOf } from "../../chain-name.ts";
import { logEndOf } from "../../operator/operator-client.ts";
import { CLAIM, TestCollector } from "../../testing/test-collector.ts";
import { senmlPayload } from "../testing/frames.ts";
import { LogTier } from "./log-tier.ts";

let collector: TestCollector;
let gateway: string;

beforeAll(async () => {
  collector = await TestCollector.start();
  const sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  gateway = hexOf(sealer.identity.id);
  const batches = [0, 1, 2].map((batch) => sealer.seal(senmlPayload([batch * 2, batch * 2 + 1]), 2));
  const evicted = { ...sealer.seal(senmlPayload([9]), 1), payload: null };
  expect((await collector.client().upload(sealer.chain, [...batches, evicted])).status).toBe(200);
});
afterAll(() => collector.end());

const channel = (name = "urn:dev:mote:1:temp") => ({ gateway, source: "mote-1", name });

test("finds the newest reading of a channel at the end of the log, and says where it looked", async () => {
  const before = await logEndOf(collector.socket);
  expect(before).toBe(7);
  const found = await new LogTier(collector.socket).find(channel(), { before });
  expect(found).toMatchObject({
    found: { reading: { value: 5, offset: 5, index: 1, seq: 2 }, since: 0, upTo: 7 },
    note: "log: looked at offsets 0 to 7",
  });
  const nothing = { note: "log: looked at offsets 0 to 7" };
  expect(await new LogTier(collector.socket).find(channel("other"), { before })).toEqual(nothing);
  expect(await new LogTier(collector.socket).find({ ...channel(), gateway: "0".repeat(64) }, { before })).toEqual(
    nothing,
  );
});

test("looks no further back than it may, and not at what the memory has", async () => {
  const bounded = new LogTier(collector.socket, 2);
  expect(await bounded.find(channel(), { before: 4 })).toMatchObject({
    found: { reading: { value: 3, offset: 3 }, since: 2, upTo: null },
    note: "log: looked at offsets 2 to 4",
  });
  // From within a batch.
  expect(await new LogTier(collector.socket, 1).find(channel(), { before: 4 })).toMatchObject({
    found: { reading: { offset: 3 }, since: 3 },
  });
  expect(await bounded.find(channel(), { before: 0 })).toEqual({ note: "log: looked at offsets 0 to 0" });
});

test("a collector that does not answer is an error", async () => {
  await expect(new LogTier(`${collector.socket}.none`).find(channel(), { before: 4 })).rejects.toMatchObject({
    code: "STATUS_UNREACHABLE",
  });
});
