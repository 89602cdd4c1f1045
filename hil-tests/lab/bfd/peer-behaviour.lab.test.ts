/* What peers may do by RFC 5880 and daemons cannot be asked for: told to a peer made by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BfdPacket } from "@paddock/wire/bfd-packet.ts";
import { eventually } from "../namespaces.ts";
import { HandPeer, type HandPeerDiscriminator } from "../peers/hand-peer.ts";
import { Stand, FAST } from "./stand.ts";
import { DIRECT, ROUTED } from "./topology.ts";

const stand = new Stand([]);

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
 * Packets a second that tell one pace from the other: 50 ms with jitter gives 20 to 27, 200 ms gives 5 to 7. A busy machine
 * hands on too few in one second and too many in the next, so one that is as it should be is enough.
 */
const FAST_AT_LEAST = 12;
const SLOW_AT_MOST = 8;

/** What comes in during the first second at this pace. */
function secondOf(pace: "fast" | "slow", peer: HandPeer): Promise<BfdPacket[]> {
  return eventually(`a second at the ${pace} pace`, async () => {
    const packets = await peer.listen(1000);
    const { length } = periodic(packets);
    return (pace === "fast" ? length >= FAST_AT_LEAST : length <= SLOW_AT_MOST) && packets;
  });
}

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
  await secondOf("fast", peer);
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
  const before = peer.heard.length;
  await eventually("three Polls", () => peer.heard.length >= before + 3);
  const polls = peer.heard.slice(before);
  assert.ok(polls.every(({ poll, desiredMinTxUs }) => poll && desiredMinTxUs === 100_000));
  peer.say({ answersPolls: true });
  await eventually("quiet again", async () => (await peer.listen(450)).length === 0);
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
  // Not slowed down before the Final.
  const unanswered = await secondOf("fast", peer);
  assert.ok(unanswered.every(({ poll, desiredMinTxUs }) => poll && desiredMinTxUs === 200_000));
  assert.equal(await detectionTimeMs(), 600);
  peer.say({ answersPolls: true });
  await eventually("the Poll ends", () => peer.heard.at(-1)?.poll === false);
  // Slowed down after the Final.
  await secondOf("slow", peer);

  peer.say({ answersPolls: false });
  await peer.poll();
  stand.speaker.set({ ...FAST, intervalMs: 50 });
  await eventually("the shorter interval is announced", () => peer.heard.at(-1)?.desiredMinTxUs === 50_000);
  // It does not wait for the Final.
  const atOnce = await secondOf("fast", peer);
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

void test("a peer that restarts twice, the second time before it was Up: Up with the last one", async () => {
  const peer = await upWith(0x501);
  peer.restartTwice(0x502, 0x503);
  await eventually("up with the last one", async () => {
    const { state, remoteDiscriminator } = await stand.speaker.session();
    return state === "up" && remoteDiscriminator === 0x503;
  });
  assert.ok(peer.heard.some(({ yourDiscriminator }) => yourDiscriminator === 0x502));
  await secondOf("fast", peer);
  assert.equal((await stand.speaker.session()).remoteDiscriminator, 0x503);
});

void test("two peers that chose the same discriminator: both Up, and each is told apart", async () => {
  const { net, speaker } = stand;
  const discriminator = 0x601;
  await HandPeer.start(net.peer, { local: DIRECT.peer, remote: DIRECT.us, discriminator });
  const router = await HandPeer.start(net.router, { local: ROUTED.router, remote: ROUTED.us, discriminator });
  speaker.set(FAST, { ...FAST, name: "other", local: ROUTED.us, remote: ROUTED.router });
  const [one, other] = [await speaker.inState("up", "one"), await speaker.inState("up", "other")];
  assert.equal(one.remoteDiscriminator, other.remoteDiscriminator);
  router.stop();
  await speaker.inState("down", "other");
  await assertHeld();
});
