/* How soon a dead path is seen, by whom, and with which diagnostic at either end. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually, missingForLab } from "../namespaces.ts";
import type { Frr } from "../peers/frr.ts";
import { StoryTeller } from "../story.ts";
import { Stand, FAST, FRR_FAST } from "./stand.ts";
import { measureDetection, spread } from "./detection-cuts.ts";

const CUTS = 25;

void test(`${CUTS} cuts at 50 ms x3 and 300 ms x3, FRR beside us: each is detected, never early`, async (t) => {
  assert.deepEqual(missingForLab(["bfdd", "nft", "dumpcap", "tshark", "chrt", "taskset"]), []);
  const story = new StoryTeller(t.name);
  const { detections, ...report } = await measureDetection({ cuts: CUTS, priority: "fifo" });
  for (const { speaker, detectionTimeMs, overMs, overLessStallsMs } of detections) {
    const over = `over ${detectionTimeMs} ms since the last packet`;
    story.figure(`${speaker}, ${over}`, spread(overMs));
    story.figure(`${speaker}, ${over}, less the machine's stalls`, spread(overLessStallsMs));
  }
  story.figure("priority of both", report.priority);
  story.figure(
    "worst stall of the machine, of the speaker",
    `${report.machineWorstStallMs.toFixed(1)} ms, ${report.ourWorstStallMs.toFixed(1)} ms`,
  );
  story.tell((line) => t.diagnostic(line));
  for (const { speaker, overMs, told } of detections.filter((each) => each.speaker === "paddock")) {
    // Where the far end lost patience with a stalled machine before the cut, there was nothing left to detect.
    assert.ok(overMs.length + told >= CUTS, `${speaker}: ${overMs.length} of ${CUTS} cuts detected`);
    assert.ok(overMs[0]! >= 0, `declared ${-overMs[0]!} ms early`);
  }
});

void describe("who says what", () => {
  const stand = new Stand(["bfdd"]);

  async function up(): Promise<Frr> {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    stand.speaker.set(FAST);
    await stand.speaker.inState("up");
    await agreed(peer);
    return peer;
  }

  async function agreed(peer: Frr): Promise<void> {
    await eventually("50 ms both ways", async () => {
      const { state, detectionTimeMs } = await stand.speaker.session();
      return state === "up" && detectionTimeMs === 150 && peer.peers()[0]?.["remote-transmit-interval"] === 50;
    });
  }

  /** Drops in the peer's namespace what it sends, or what comes to it. */
  function dropAtPeer(hook: "output" | "input"): void {
    stand.net.peer.filter(`table inet cut { chain c { type filter hook ${hook} priority 0; udp dport 3784 drop; }; }`);
  }

  void test("we hear nothing: we say detection expired, the peer says that its neighbour told it", async () => {
    const peer = await up();
    dropAtPeer("output");
    assert.equal((await stand.speaker.inState("down")).diagnostic, "control-detection-expired");
    await eventually("FRR was told", () => peer.peers()[0]?.diagnostic === "neighbor signaled session down");
  });

  void test("the peer hears nothing: it says detection expired, we say that our neighbour told us", async () => {
    const peer = await up();
    dropAtPeer("input");
    // Not our state: hearing Down of a peer that does not hear us, we are in Init at once.
    const down = await eventually("down", async () => (await stand.speaker.session()).lastDown ?? undefined);
    assert.equal(down.diagnostic, "neighbor-signaled-down");
    assert.equal(down.reason, "neighbor-down");
    assert.equal(down.remoteDiagnostic, "control-detection-expired");
    await eventually("FRR's own word", () => peer.peers()[0]?.diagnostic === "control detection time expired");
  });

  void test("the far end's link goes down: both say detection expired, ours at its time", async () => {
    const peer = await up();
    stand.net.peer.run("ip", "link", "set", "d1", "down");
    const { diagnostic, lastDown } = await stand.speaker.inState("down");
    assert.equal(diagnostic, "control-detection-expired");
    assert.equal(lastDown?.detectionTimeMs, 150);
    assert.ok(lastDown.detectedInMs! >= 150, `${lastDown.detectedInMs} ms`);
    await eventually("FRR's own word", () => peer.peers()[0]?.diagnostic === "control detection time expired");
  });

  void test("cut soon after Up: detected by the new interval, not by that of the slow start", async (t) => {
    const peer = await up();
    for (let round = 0; round < 3; round++) {
      dropAtPeer("output");
      await stand.speaker.inState("down");
      const [wentUp, wentDown] = stand.speaker.states().slice(-2);
      assert.equal(wentUp?.to, "up");
      assert.equal(wentDown?.detectionTimeMs, 150);
      // Slow start means packets a second apart, so a detection that still waited for those would take three.
      assert.ok(wentDown.detectedInMs! < 2500, `${wentDown.detectedInMs} ms`);
      t.diagnostic(`cut ${wentDown.at - wentDown.detectedInMs! - wentUp.at} ms after Up`);
      stand.net.peer.filter("");
      await agreed(peer);
    }
  });
});
