/* Intervals changed while Up, 50 to 200 to 50 ms at both ends, against FRR and BIRD and judged on the wire. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Capture } from "../capture.ts";
import { eventually } from "../namespaces.ts";
import { Stand, birdFast, FAST, FRR_FAST } from "./stand.ts";
import { DIRECT } from "./topology.ts";
import { finishWire, gapsMs, type WirePacket } from "./wire-packets.ts";

/** What lies on top of a timer: its grain, and that this machine may be late. */
const GRAIN_MS = 5;
const WATCHED_MS = 1500;

const stand = new Stand(["bfdd", "bird", "dumpcap", "tshark"]);

interface Peer {
  start(): void | Promise<void>;
  change(intervalMs: number): void;
}

const PEERS: Readonly<Record<string, () => Peer>> = {
  FRR: () => {
    const frr = stand.frr();
    return {
      start: () => frr.start(FRR_FAST),
      change: (ms) =>
        frr.configure(
          `peer ${DIRECT.us} local-address ${DIRECT.peer}`,
          `transmit-interval ${ms}`,
          `receive-interval ${ms}`,
        ),
    };
  },
  BIRD: () => {
    const bird = stand.bird();
    return {
      start: () => bird.start(birdFast()),
      change: (ms) => bird.reconfigure(birdFast().replaceAll(" 50 ms", ` ${ms} ms`)),
    };
  },
};

for (const [name, makePeer] of Object.entries(PEERS)) {
  void test(`${name}: both ends go from 50 to 200 to 50 ms by polls, never faster or slower than agreed, without a flap`, async () => {
    const { net, speaker } = stand;
    const peer = makePeer();
    await peer.start();
    speaker.set(FAST);
    await speaker.inState("up");
    await agreed(50);
    const capture = await Capture.start(net.us, "d0", "udp port 3784", stand.file("change.pcapng"));
    const marks: number[] = [];
    for (const intervalMs of [200, 50]) {
      speaker.set({ ...FAST, intervalMs });
      peer.change(intervalMs);
      await agreed(intervalMs);
      marks.push(Date.now());
      await new Promise((done) => setTimeout(done, WATCHED_MS));
      marks.push(Date.now());
    }
    const packets = await finishWire(capture);
    assert.ok(packets.every(({ state }) => state === "up"));
    assert.equal((await speaker.session()).downs, 0);
    for (const ours of [true, false]) {
      const [slow, fast] = [
        periodic(packets, ours, marks[0]!, marks[1]!),
        periodic(packets, ours, marks[2]!, marks[3]!),
      ];
      assert.ok(Math.min(...gapsMs(slow)) >= 150 - GRAIN_MS, `faster than agreed: ${gapsMs(slow).join(" ")}`);
      // 75 to 100 % of 50 ms: 30 to 40 packets, and 7 to 10 if it stayed slow. A busy machine leaves some out.
      assert.ok(fast.length >= 13, `${fast.length} packets: slower than agreed`);
    }
    // At the beginning 50 ms are old news.
    const changes = packets.slice(packets.findIndex(({ desiredMinTxMs }) => desiredMinTxMs === 200));
    for (const desiredMinTxMs of [200, 50]) judgePoll(changes, desiredMinTxMs);
  });
}

/** Both directions run at this interval, and the peer has confirmed it. */
async function agreed(intervalMs: number): Promise<void> {
  await eventually(`${intervalMs} ms both ways`, async () => {
    const { transmitIntervalMs, detectionTimeMs } = await stand.speaker.session();
    return transmitIntervalMs === intervalMs && detectionTimeMs === 3 * intervalMs;
  });
}

function periodic(packets: readonly WirePacket[], ours: boolean, fromMs: number, toMs: number): WirePacket[] {
  return packets.filter((each) => each.ours === ours && !each.final && each.atMs > fromMs && each.atMs < toMs);
}

/** Our new interval is announced with P until the peer's F, and the peer's P is answered by F. */
function judgePoll(packets: readonly WirePacket[], desiredMinTxMs: number): void {
  const begin = packets.findIndex((each) => each.ours && each.desiredMinTxMs === desiredMinTxMs && !each.final);
  assert.ok(begin >= 0, `${desiredMinTxMs} ms was never announced`);
  const end = packets.findIndex((each, index) => index > begin && !each.ours && each.final);
  assert.ok(end >= 0, `the Poll for ${desiredMinTxMs} ms got no Final`);
  const during = packets.slice(begin, end).filter((each) => each.ours && !each.final);
  assert.ok(
    during.every(({ poll }) => poll),
    `announced ${desiredMinTxMs} ms without P`,
  );
  const poll = packets.findIndex((each) => !each.ours && each.poll && each.desiredMinTxMs === desiredMinTxMs);
  assert.ok(poll >= 0, `the peer did not announce ${desiredMinTxMs} ms by a Poll`);
  assert.ok(
    packets.slice(poll).some(({ ours, final }) => ours && final),
    "the peer's Poll got no Final",
  );
}
