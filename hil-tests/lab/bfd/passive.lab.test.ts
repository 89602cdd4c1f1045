/* Peers that the collector's side knows only by an address prefix: what FRR and BIRD do with its way of taking them. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { eventually } from "../namespaces.ts";
import { FRR10 } from "../peers/frr10.ts";
import { ReflectorProcess } from "./reflector-process.ts";
import { FRR_MULTIHOP, Stand } from "./stand.ts";
import { ROUTED } from "./topology.ts";

const stand = new Stand(["bfdd", "bird"]);
let reflector: ReflectorProcess | undefined;
afterEach(() => reflector?.stop());

async function takes(allow: string): Promise<ReflectorProcess> {
  const passive = { addresses: [ROUTED.us], intervalMs: 100, allow: [allow] };
  reflector = await ReflectorProcess.start(stand.net.us, { passive });
  return reflector;
}

/** Up at our end without a Down before: the first packets cost no session and the handshake no flap. */
async function comesUp(from: ReflectorProcess): Promise<void> {
  const peers = await eventually("the peer is up", async () => {
    const report = await from.report();
    return report.peers[0]?.state === "up" && report.peers;
  });
  assert.equal(peers.length, 1);
  assert.deepEqual([peers[0]!.remote, peers[0]!.ups, peers[0]!.downs], [ROUTED.peer, 1, 0]);
}

for (const [name, programs] of [
  ["FRR", undefined],
  ["FRR 10", FRR10],
] as const) {
  void test(`${name} is taken, and taken again after it was killed`, async () => {
    const ours = await takes("fd00:bfd:b::/64");
    const peer = stand.frr(programs);
    peer.start(FRR_MULTIHOP);
    await comesUp(ours);
    await eventually("FRR agrees", () => peer.peers()[0]?.status === "up");
    peer.kill();
    await eventually("down", async () => (await ours.report()).peers[0]?.state === "down");
    peer.start(FRR_MULTIHOP);
    await eventually("up again", async () => (await ours.report()).peers[0]?.state === "up");
    assert.equal((await ours.report()).peers.length, 1);
  });
}

void test("BIRD is taken", async () => {
  const ours = await takes("fd00:bfd:b::/64");
  const peer = stand.bird();
  await peer.start(`multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; };
neighbor ${ROUTED.us} local ${ROUTED.peer} multihop on;`);
  await comesUp(ours);
  await eventually("BIRD agrees", () => peer.sessions()[0]?.state === "Up");
});

void test("whoever is not allowed gets no session and no answer", async () => {
  const ours = await takes("2001:db8::/32");
  stand.frr().start(FRR_MULTIHOP);
  await eventually("it has asked", async () => ((await ours.report()).strangers["no-session"] ?? 0) >= 3);
  assert.deepEqual((await ours.report()).peers, []);
});
