/*
 * The speaker against FRR, BIRD and keepalived in network namespaces. Root and the packages frr, bird2, keepalived,
 * nftables are needed:
 *
 *     node --test --test-concurrency=1 hil-tests/lab/bfd/*.lab.test.ts
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "../namespaces.ts";
import type { Frr } from "../peers/frr.ts";
import { Keepalived } from "../peers/keepalived.ts";
import { Stand, birdFast, FAST, FRR_FAST, FRR_MULTIHOP, frrLinkLocal, MULTIHOP } from "./stand.ts";
import { DIRECT, ROUTED } from "./topology.ts";

const stand = new Stand(["bfdd", "bird", "keepalived"]);

/** Up at 50 ms x3, and both ends say the same of it. */
async function agreed(peer: Frr): Promise<void> {
  const theirs = await eventually("FRR negotiated", () => {
    const [first] = peer.peers();
    return first?.status === "up" && first["remote-transmit-interval"] === 50 && first;
  });
  const ours = await eventually("we negotiated", async () => {
    const session = await stand.speaker.session();
    return session.detectionTimeMs === 150 && session;
  });
  assert.equal(theirs["remote-id"], ours.localDiscriminator);
  assert.equal(theirs.id, ours.remoteDiscriminator);
  assert.equal(theirs["remote-receive-interval"], 50);
  assert.equal(ours.state, "up");
  assert.equal(ours.transmitIntervalMs, 50);
  assert.deepEqual(ours.refused, {});
}

void describe("FRR", () => {
  void test("single hop over global addresses: Up, intervals and discriminators agree", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    stand.speaker.set(FAST);
    await agreed(peer);
  });

  void test("multihop through a router: the same", async () => {
    const peer = stand.frr();
    peer.start(FRR_MULTIHOP);
    stand.speaker.set(MULTIHOP);
    await agreed(peer);
  });

  void test("single hop over link-local addresses: the same", async () => {
    const [here, there] = [stand.net.us.linkLocalOf("d0"), stand.net.peer.linkLocalOf("d1")];
    const peer = stand.frr();
    peer.start(frrLinkLocal(here, there), { zebra: true });
    stand.speaker.set({ ...FAST, local: `${here}%d0`, remote: `${there}%d0` });
    await agreed(peer);
  });

  void test("AdminDown in both directions is no failure, and ends", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    stand.speaker.set(FAST);
    await stand.speaker.inState("up");
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "shutdown");
    const down = await stand.speaker.inState("down");
    assert.equal(down.liveness, "unknown");
    assert.equal(down.lastDown?.reason, "neighbor-admin-down");
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "no shutdown");
    await stand.speaker.inState("up");
    stand.speaker.set({ ...FAST, enabled: false });
    await eventually("FRR is down", () => peer.peers()[0]?.status === "down");
    stand.speaker.set(FAST);
    await eventually("FRR is up again", () => peer.peers()[0]?.status === "up");
  });

  void test("a peer that is killed and starts again", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    stand.speaker.set(FAST);
    const { remoteDiscriminator } = await stand.speaker.inState("up");
    peer.kill();
    assert.equal((await stand.speaker.inState("down")).diagnostic, "control-detection-expired");
    peer.start(FRR_FAST);
    assert.notEqual((await stand.speaker.inState("up")).remoteDiscriminator, remoteDiscriminator);
  });

  void test("the speaker is killed and comes back: FRR sees it go, then a new session Up", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    stand.speaker.set(FAST);
    const before = await stand.speaker.inState("up");
    await stand.speaker.kill();
    assert.equal(stand.speaker.liveness(), "unknown");
    await eventually("FRR is down", () => peer.peers()[0]?.diagnostic === "control detection time expired");
    await stand.speaker.comeBack();
    const after = await stand.speaker.inState("up");
    assert.notEqual(after.localDiscriminator, before.localDiscriminator);
    await eventually("FRR knows the new one", () => peer.peers()[0]?.["remote-id"] === after.localDiscriminator);
    assert.equal(stand.speaker.liveness(), "up");
  });

  void test("the speaker is killed and is back before FRR noticed: Up with the new session", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    // FRR waits nine seconds. It does not take the Down of a newcomer before they are over.
    stand.speaker.set({ ...FAST, transmitIntervalMs: 3000 });
    await stand.speaker.inState("up");
    await stand.speaker.kill();
    await stand.speaker.comeBack();
    assert.equal(peer.peers()[0]?.status, "up");
    const { localDiscriminator } = await stand.speaker.inState("up");
    await eventually("FRR knows the new one", () => peer.peers()[0]?.["remote-id"] === localDiscriminator);
  });

  void test("both ends are killed and start in the same second: Up", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    stand.speaker.set(FAST);
    const before = await stand.speaker.inState("up");
    peer.kill();
    await stand.speaker.kill();
    peer.start(FRR_FAST);
    await stand.speaker.comeBack();
    const after = await stand.speaker.inState("up");
    assert.notEqual(after.localDiscriminator, before.localDiscriminator);
    assert.notEqual(after.remoteDiscriminator, before.remoteDiscriminator);
    assert.equal(after.downs, 0);
  });

  void test("our address goes and comes back, our link goes and comes back: Up again by itself", async () => {
    stand.frr().start(FRR_FAST);
    stand.speaker.set(FAST);
    await stand.speaker.inState("up");
    stand.net.us.run("ip", "-6", "addr", "del", `${DIRECT.us}/64`, "dev", "d0");
    await stand.speaker.inState("down");
    stand.net.us.address("d0", `${DIRECT.us}/64`);
    await stand.speaker.inState("up");
    stand.net.us.run("ip", "link", "set", "d0", "down");
    await stand.speaker.inState("down");
    stand.net.us.run("ip", "link", "set", "d0", "up");
    await stand.speaker.inState("up");
  });

  void test("this process stopped for 250 ms, ten times: no Down of ours", async () => {
    stand.frr().start(FRR_FAST);
    // FRR waits three seconds: our own pauses may take longer than they ought to.
    stand.speaker.set({ ...FAST, transmitIntervalMs: 1000, receiveIntervalMs: 50 });
    await stand.speaker.inState("up");
    await eventually("fast", async () => (await stand.speaker.session()).detectionTimeMs === 150);
    for (let round = 0; round < 10; round++) {
      process.kill(stand.speaker.pid, "SIGSTOP");
      await new Promise((done) => setTimeout(done, 250));
      process.kill(stand.speaker.pid, "SIGCONT");
      await new Promise((done) => setTimeout(done, 250));
    }
    assert.equal((await stand.speaker.session()).downs, 0);
  });

  void test("a stall that FRR barely sits out makes the interval climb by a poll, without a flap", async () => {
    const peer = stand.frr();
    peer.start(FRR_FAST);
    // FRR waits two seconds, of which a busy machine may not add too much to the pause.
    stand.speaker.set({ ...FAST, transmitIntervalMs: 400, receiveIntervalMs: 50, detectMult: 5, adaptive: true });
    await stand.speaker.inState("up");
    await eventually("negotiated", () => peer.peers()[0]?.["remote-transmit-interval"] === 400);
    process.kill(stand.speaker.pid, "SIGSTOP");
    await new Promise((done) => setTimeout(done, 1360));
    process.kill(stand.speaker.pid, "SIGCONT");
    await eventually("relaxed", () =>
      stand.speaker.events.some((event) => event.event === "relaxed" && event.toMs === 1000),
    );
    await eventually("FRR was told", () => peer.peers()[0]?.["remote-transmit-interval"] === 1000);
    assert.equal((await stand.speaker.session()).downs, 0);
    assert.equal((await stand.speaker.session()).detectionTimeMs, 150);
  });
});

void describe("BIRD", () => {
  void test("single hop over global and link-local addresses, and multihop", async () => {
    const [here, there] = [stand.net.us.linkLocalOf("d0"), stand.net.peer.linkLocalOf("d1")];
    const peer = stand.bird();
    await peer.start(`${birdFast()}
multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; };
neighbor ${here} dev "d1" local ${there};
neighbor ${ROUTED.us} local ${ROUTED.peer} multihop on;`);
    stand.speaker.set(
      FAST,
      { ...FAST, name: "link-local", local: `${here}%d0`, remote: `${there}%d0` },
      { ...MULTIHOP, name: "multihop" },
    );
    for (const name of ["one", "link-local", "multihop"]) await stand.speaker.inState("up", name);
    const sessions = await eventually("BIRD agrees", () => {
      const all = peer.sessions();
      return (
        all.length === 3 &&
        all.every(({ state, intervalS, timeoutS }) => state === "Up" && intervalS === 0.05 && timeoutS === 0.15) &&
        all
      );
    });
    assert.equal(sessions.length, 3);
  });
});

/*
 * One hop over global addresses is what keepalived 2.2.7 can do: it takes no interface behind a link-local address and
 * cannot bind one without it, and what it calls multihop goes to port 3784.
 */
void test("keepalived: Up, and Down when it stops", async () => {
  const peer = new Keepalived(stand.net.peer, stand.file("keepalived"));
  peer.start({ local: DIRECT.peer, neighbor: DIRECT.us, device: "d1", intervalMs: 50, multiplier: 3 });
  stand.speaker.set(FAST);
  await stand.speaker.inState("up");
  await eventually("negotiated", async () => (await stand.speaker.session()).detectionTimeMs === 150);
  peer.stop();
  await eventually("not up any more", async () => (await stand.speaker.session()).state !== "up");
});

void test("echo against a router that only forwards: Up, and Down when it is cut off", async () => {
  stand.routeEchoes();
  stand.speaker.set({ name: "one", kind: "echo", local: ROUTED.us, profile: "fast", adaptive: false });
  const session = await stand.speaker.inState("up");
  assert.ok(session.rttMs !== null);
  stand.net.router.run("ip", "link", "set", "r0", "down");
  const down = await stand.speaker.inState("down");
  assert.equal(down.diagnostic, "echo-failed");
  stand.net.router.run("ip", "link", "set", "r0", "up");
  await stand.speaker.inState("up");
});

void test("the process says AdminDown when it is stopped", async () => {
  const peer = stand.frr();
  peer.start(FRR_FAST);
  stand.speaker.set(FAST);
  await stand.speaker.inState("up");
  await stand.speaker.stop("SIGTERM");
  await eventually("FRR knows why", () => /administratively/i.test(peer.peers()[0]?.["remote-diagnostic"] ?? ""));
});
