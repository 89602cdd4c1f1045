/* What the speaker really puts on the wire, captured beside FRR and decoded by tshark. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Capture } from "../capture.ts";
import { eventually, missingForLab } from "../namespaces.ts";
import { Frr } from "../peers/frr.ts";
import { SpeakerProcess } from "./speaker-process.ts";
import { buildTopology, DIRECT, type Topology } from "./topology.ts";
import { finishWire, gapsMs, type WirePacket } from "./wire-packets.ts";

let net: Topology;
let packets: WirePacket[];

before(async () => {
  assert.deepEqual(missingForLab(["bfdd", "dumpcap", "tshark"]), []);
  net = buildTopology();
  const capture = await Capture.start(net.us, "d0", "udp port 3784", join(net.lab.directory, "wire.pcapng"));
  const speaker = new SpeakerProcess(net.us, net.lab.directory);
  await speaker.start({ fifo: true });
  speaker.set({
    name: "one",
    kind: "single-hop",
    local: DIRECT.us,
    remote: DIRECT.peer,
    profile: "fast",
    adaptive: false,
  });
  await eventually("four slow packets before there is a peer", async () => (await speaker.session()).sent >= 4);
  const peer = new Frr(net.peer, join(net.lab.directory, "frr"), { fifo: true });
  peer.start(
    ` peer ${DIRECT.us} local-address ${DIRECT.peer}\ntransmit-interval 50\nreceive-interval 50\ndetect-multiplier 3\n`,
  );
  await speaker.inState("up");
  await eventually("negotiated", async () => (await speaker.session()).detectionTimeMs === 150);
  const { sent } = await speaker.session();
  await eventually("150 fast packets", async () => (await speaker.session()).sent >= sent + 150);
  peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "transmit-interval 40");
  const { received } = await speaker.session();
  await eventually("the Poll for it is over", async () => (await speaker.session()).received >= received + 20);
  packets = await finishWire(capture);
  await speaker.stop();
});

after(() => net.lab.destroy());

void test("every packet: hop limit 255, one port of the range, 72 bytes of IPv6, no A, M or D, never P with F", () => {
  const ours = packets.filter((packet) => packet.ours);
  assert.ok(ours.length > 100, `only ${ours.length} packets`);
  assert.deepEqual(new Set(ours.map(({ hopLimit }) => hopLimit)), new Set([255]));
  const ports = new Set(ours.map(({ sourcePort }) => sourcePort));
  assert.equal(ports.size, 1);
  assert.ok([...ports].every((port) => port >= 49_152));
  assert.deepEqual(new Set(ours.map(({ bytes }) => bytes - 14)), new Set([72]));
  assert.ok(ours.every(({ flagsAMD, poll, final }) => !flagsAMD && !(poll && final)));
});

void test("while not Up: at least a second announced, and periodic packets 0.75 to 1 s apart", () => {
  const ours = packets.filter((packet) => packet.ours);
  const slow = ours.slice(
    0,
    ours.findIndex(({ state }) => state !== "down"),
  );
  assert.ok(slow.length >= 3);
  assert.ok(slow.every(({ desiredMinTxMs }) => desiredMinTxMs === 1000));
  const gaps = gapsMs(slow).toSorted((a, b) => a - b);
  assert.ok(gaps[0]! >= 749, gaps.join(" "));
  // A timer's grain and this machine's stalls lie on top.
  assert.ok(gaps[gaps.length >> 1]! <= 1050, gaps.join(" "));
});

void test("Up is announced with P, and paced at 75 to 100 % of the interval", () => {
  const ours = packets.filter((packet) => packet.ours);
  const first = ours.find(({ state, final }) => state === "up" && !final)!;
  assert.equal(first.poll, true);
  assert.equal(first.desiredMinTxMs, 50);
  const paced = ours.filter(({ state, final, atMs }) => state === "up" && !final && atMs > first.atMs + 1500);
  const all = gapsMs(paced);
  assert.ok(all.length > 60);
  // A timer's grain and this machine's stalls lie on top.
  const within = all.filter((gap) => gap >= 37 && gap <= 52).length;
  assert.ok(within / all.length > 0.5, `${within} of ${all.length}`);
  assert.ok(Math.min(...all) >= 37, `${Math.min(...all)} ms`);
});

void test("a Poll of the peer gets its Final at once, not at the next periodic packet", () => {
  const polls = packets.filter((packet) => !packet.ours && packet.poll);
  assert.ok(polls.length > 0);
  const tookMs = polls
    .map((poll) => packets.find(({ ours, final, atMs }) => ours && final && atMs >= poll.atMs)!.atMs - poll.atMs)
    .toSorted((a, b) => a - b);
  // A packet comes every 37 to 50 ms. Half of the Finals, as single ones may meet a stall of this machine.
  assert.ok(tookMs[tookMs.length >> 1]! <= 10, `${tookMs.join(" ")} ms`);
});
