/* What peers may do by RFC 5880 and daemons cannot be asked for: told to a peer made by hand, and to two FRRs at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BfdPacket } from "@paddock/wire/bfd-packet.ts";
import { eventually } from "../namespaces.ts";
import { Frr } from "../peers/frr.ts";
import { HandPeer, type HandPeerDiscriminator } from "../peers/hand-peer.ts";
import { Stand, FAST, FRR_FAST } from "./stand.ts";
import { DIRECT, ROUTED } from "./topology.ts";

const stand = new Stand(["bfdd"]);

async function upWith(discriminator: HandPeerDiscriminator): Promise<HandPeer> {
  const peer = await HandPeer.start(stand.net.peer, { local: DIRECT.peer, remote: DIRECT.us, discriminator });
  stand.speaker.set(FAST);
  await stand.speaker.inState("up");
  await eventually("negotiated", async () => (await stand.speaker.session()).detectionTimeMs === 150);
  return peer;
}

async function assertHeld(): Promise<void> {
  const { state, downs } = await stand.speaker.session();
  assert.deepEqual({ state, downs }, { state: "up", downs: 0 });
}

/**
 * Packets a second that tell one pace from the other even on a machine that stalls: 50 ms with jitter gives 20 to 27,
 * 200 ms gives 5 to 7.
 */
const FAST_AT_LEAST = 12;
const SLOW_AT_MOST = 8;

function periodic(packets: readonly BfdPacket[]): BfdPacket[] {
  return packets.filter(({ final }) => !final);
}

void test("a peer that asks for no packets gets none but Finals, and the session stays Up until it wants more", async () => {
  const peer = await upWith(0x101);
  peer.say({ requiredMinRxUs: 0 });
  await peer.poll();
  // Three detection times.
  assert.deepEqual(await peer.listen(450), []);
  await peer.poll();
  assert.deepEqual(await peer.listen(450), []);
  await assertHeld();
  peer.say({ requiredMinRxUs: 50_000 });
  assert.ok(periodic(await peer.listen(1000)).length >= FAST_AT_LEAST);
  await assertHeld();
});

void test("a peer in demand mode gets Finals, our own Polls until they are answered, and nothing else", async () => {
  const peer = await upWith(0x202);
  peer.say({ demand: true });
  await peer.poll();
  assert.deepEqual(await peer.listen(450), []);
  await peer.poll();
  assert.deepEqual(await peer.listen(450), []);

  peer.say({ answersPolls: false });
  await peer.poll();
  stand.speaker.set({ ...FAST, intervalMs: 100 });
  const polls = await peer.listen(1000);
  assert.ok(polls.length >= 3, `${polls.length} packets`);
  assert.ok(polls.every(({ poll, desiredMinTxUs }) => poll && desiredMinTxUs === 100_000));
  peer.say({ answersPolls: true });
  await eventually("quiet again", async () => (await peer.listen(450)).length === 0, 3000);
  await assertHeld();

  peer.say({ demand: false });
  await eventually("periodic packets again", async () => periodic(await peer.listen(300)).length >= 2);
  await assertHeld();
});

void test("a longer interval waits for the Final, a shorter one does not; detection the other way round", async () => {
  const peer = await upWith(0x303);
  const detectionTimeMs = async () => (await stand.speaker.session()).detectionTimeMs;
  peer.say({ answersPolls: false });
  await peer.poll();

  stand.speaker.set({ ...FAST, intervalMs: 200 });
  await eventually("the longer interval is announced", () => peer.heard.at(-1)?.desiredMinTxUs === 200_000);
  const unanswered = await peer.listen(1000);
  assert.ok(unanswered.length >= FAST_AT_LEAST, `${unanswered.length} packets: slowed down before the Final`);
  assert.ok(unanswered.every(({ poll, desiredMinTxUs }) => poll && desiredMinTxUs === 200_000));
  assert.equal(await detectionTimeMs(), 600);
  peer.say({ answersPolls: true });
  await eventually("the Poll ends", () => peer.heard.at(-1)?.poll === false);
  const agreed = await peer.listen(1000);
  assert.ok(agreed.length <= SLOW_AT_MOST, `${agreed.length} packets: not slowed down after the Final`);

  peer.say({ answersPolls: false });
  await peer.poll();
  stand.speaker.set({ ...FAST, intervalMs: 50 });
  await eventually("the shorter interval is announced", () => peer.heard.at(-1)?.desiredMinTxUs === 50_000);
  const atOnce = await peer.listen(1000);
  assert.ok(atOnce.length >= FAST_AT_LEAST, `${atOnce.length} packets: waited for the Final`);
  assert.ok(atOnce.every(({ poll }) => poll));
  assert.equal(await detectionTimeMs(), 600, "detection counts with the old interval until the Final");
  peer.say({ answersPolls: true });
  await eventually("detection is fast again", async () => (await detectionTimeMs()) === 150);
  await assertHeld();
});

void test("a peer with our own discriminator: Up, and held", async () => {
  await upWith("yours");
  const { localDiscriminator, remoteDiscriminator } = await stand.speaker.session();
  assert.equal(remoteDiscriminator, localDiscriminator);
  await new Promise((done) => setTimeout(done, 1000));
  await assertHeld();
});

void test("a peer that restarts with another discriminator: one Down by its word, then Up with the new one", async () => {
  const peer = await upWith(0x404);
  peer.restart(0x405);
  await eventually("up with the new one", async () => {
    const { state, remoteDiscriminator } = await stand.speaker.session();
    return state === "up" && remoteDiscriminator === 0x405;
  });
  const downs = stand.speaker.states().filter(({ to }) => to === "down");
  assert.deepEqual(
    downs.map(({ reason, diagnostic }) => ({ reason, diagnostic })),
    [{ reason: "neighbor-down", diagnostic: "neighbor-signaled-down" }],
  );
});

void test("a peer that restarts twice within a second, the second time before it was Up: Up with the last one", async () => {
  const peer = await upWith(0x501);
  const began = performance.now();
  peer.restart(0x502);
  await eventually("our answer to the first", () => peer.heard.at(-1)?.yourDiscriminator === 0x502);
  peer.restart(0x503);
  assert.ok(performance.now() - began < 1000, "the machine was too slow to restart the peer twice within a second");
  await eventually("up with the last one", async () => {
    const { state, remoteDiscriminator } = await stand.speaker.session();
    return state === "up" && remoteDiscriminator === 0x503;
  });
  await eventually("settled", async () => periodic(await peer.listen(1000)).length >= FAST_AT_LEAST);
  assert.equal((await stand.speaker.session()).remoteDiscriminator, 0x503);
});

void test("two FRRs that chose the same discriminator: both Up, and each is told apart", async () => {
  const { net, speaker } = stand;
  const routers = [
    { frr: stand.frr(), sessions: FRR_FAST },
    {
      frr: new Frr(net.router, stand.file("other")),
      sessions: FRR_FAST.replace(DIRECT.us, ROUTED.us).replace(DIRECT.peer, ROUTED.router),
    },
  ];
  // bfdd draws from the second in which it starts; when that just ended between the two, they start once more.
  await eventually("both draw the same", async () => {
    await eventually("a second begins", () => Date.now() % 1000 < 200);
    for (const { frr, sessions } of routers) frr.start(sessions);
    const [one, other] = routers.map(({ frr }) => frr.peers()[0]!.id);
    if (one !== other) for (const { frr } of routers) frr.kill();
    return one === other;
  });
  speaker.set(FAST, { ...FAST, name: "other", local: ROUTED.us, remote: ROUTED.router });
  const [one, other] = [await speaker.inState("up", "one"), await speaker.inState("up", "other")];
  assert.equal(one.remoteDiscriminator, other.remoteDiscriminator);
  routers[1]!.frr.kill();
  await speaker.inState("down", "other");
  await assertHeld();
});
