/*
 * The speaker against FRR, BIRD and keepalived in network namespaces. Root and the packages frr, bird2, keepalived,
 * nftables are needed:
 *
 *     node --test --test-concurrency=1 hil-tests/lab/bfd/*.lab.test.ts
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "../namespaces.ts";
import { Keepalived } from "../peers/keepalived.ts";
import { Bench, birdFast, FAST, FRR_FAST, FRR_MULTIHOP, frrLinkLocal, MULTIHOP } from "./bench.ts";
import { DIRECT, ROUTED } from "./topology.ts";

const bench = new Bench(["bfdd", "bird", "keepalived"]);

void describe("FRR", () => {
  void test("single hop over global addresses: Up, intervals and discriminators agree", async () => {
    const peer = bench.frr();
    peer.start(FRR_FAST);
    bench.speaker.set(FAST);
    await bench.speaker.inState("up");
    const theirs = await eventually("FRR negotiated", () => {
      const [first] = peer.peers();
      return first?.status === "up" && first["remote-transmit-interval"] === 50 && first;
    });
    const ours = await eventually("we negotiated", async () => {
      const session = await bench.speaker.session();
      return session.detectionTimeMs === 150 && session;
    });
    assert.equal(theirs["remote-id"], ours.localDiscriminator);
    assert.equal(theirs.id, ours.remoteDiscriminator);
    assert.equal(ours.transmitIntervalMs, 50);
    assert.deepEqual(ours.refused, {});
  });

  void test("multihop through a router", async () => {
    bench.frr().start(FRR_MULTIHOP);
    bench.speaker.set(MULTIHOP);
    await bench.speaker.inState("up");
  });

  void test("single hop over link-local addresses", async () => {
    const [here, there] = [bench.net.us.linkLocalOf("d0"), bench.net.peer.linkLocalOf("d1")];
    bench.frr().start(frrLinkLocal(here, there), { zebra: true });
    bench.speaker.set({ ...FAST, local: `${here}%d0`, remote: `${there}%d0` });
    await bench.speaker.inState("up", "one", 20_000);
  });

  void test("AdminDown in both directions is no failure, and ends", async () => {
    const peer = bench.frr();
    peer.start(FRR_FAST);
    bench.speaker.set(FAST);
    await bench.speaker.inState("up");
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "shutdown");
    const down = await bench.speaker.inState("down");
    assert.equal(down.liveness, "unknown");
    assert.equal(down.lastDown?.reason, "neighbor-admin-down");
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "no shutdown");
    await bench.speaker.inState("up");
    bench.speaker.set({ ...FAST, enabled: false });
    await eventually("FRR is down", () => peer.peers()[0]?.status === "down");
    bench.speaker.set(FAST);
    await eventually("FRR is up again", () => peer.peers()[0]?.status === "up");
  });

  void test("a peer that is killed and starts again", async () => {
    const peer = bench.frr();
    peer.start(FRR_FAST);
    bench.speaker.set(FAST);
    const { remoteDiscriminator } = await bench.speaker.inState("up");
    peer.kill();
    assert.equal((await bench.speaker.inState("down")).diagnostic, "control-detection-expired");
    peer.start(FRR_FAST);
    assert.notEqual((await bench.speaker.inState("up")).remoteDiscriminator, remoteDiscriminator);
  });

  void test("the speaker is killed and comes back: FRR sees it go, then a new session Up", async () => {
    const peer = bench.frr();
    peer.start(FRR_FAST);
    bench.speaker.set(FAST);
    const before = await bench.speaker.inState("up");
    await bench.speaker.kill();
    assert.equal(bench.speaker.liveness(), "unknown");
    await eventually("FRR is down", () => peer.peers()[0]?.diagnostic === "control detection time expired");
    await bench.speaker.comeBack();
    const after = await bench.speaker.inState("up");
    assert.notEqual(after.localDiscriminator, before.localDiscriminator);
    await eventually("FRR knows the new one", () => peer.peers()[0]?.["remote-id"] === after.localDiscriminator);
    assert.equal(bench.speaker.liveness(), "up");
  });

  void test("the speaker is killed and is back before FRR noticed: Up with the new session", async () => {
    const peer = bench.frr();
    peer.start(FRR_FAST);
    // FRR waits three seconds. It does not take the Down of a newcomer before they are over.
    bench.speaker.set({ ...FAST, transmitIntervalMs: 1000 });
    await bench.speaker.inState("up");
    await bench.speaker.kill();
    await bench.speaker.comeBack();
    assert.equal(peer.peers()[0]?.status, "up");
    const { localDiscriminator } = await bench.speaker.inState("up");
    await eventually("FRR knows the new one", () => peer.peers()[0]?.["remote-id"] === localDiscriminator);
  });

  void test("our address goes and comes back, our link goes and comes back: Up again by itself", async () => {
    bench.frr().start(FRR_FAST);
    bench.speaker.set(FAST);
    await bench.speaker.inState("up");
    bench.net.us.run("ip", "-6", "addr", "del", `${DIRECT.us}/64`, "dev", "d0");
    await bench.speaker.inState("down");
    bench.net.us.address("d0", `${DIRECT.us}/64`);
    await bench.speaker.inState("up");
    bench.net.us.run("ip", "link", "set", "d0", "down");
    await bench.speaker.inState("down");
    bench.net.us.run("ip", "link", "set", "d0", "up");
    await bench.speaker.inState("up");
  });

  void test("this process stopped for 250 ms, ten times: no Down of ours", async () => {
    bench.frr().start(FRR_FAST);
    bench.speaker.set({ ...FAST, transmitIntervalMs: 300, receiveIntervalMs: 50 });
    await bench.speaker.inState("up");
    await eventually("fast", async () => (await bench.speaker.session()).detectionTimeMs === 150);
    for (let round = 0; round < 10; round++) {
      process.kill(bench.speaker.pid, "SIGSTOP");
      await new Promise((done) => setTimeout(done, 250));
      process.kill(bench.speaker.pid, "SIGCONT");
      await new Promise((done) => setTimeout(done, 250));
    }
    assert.equal((await bench.speaker.session()).downs, 0);
  });

  void test("a stall that FRR barely sits out makes the interval climb by a poll, without a flap", async () => {
    const peer = bench.frr();
    peer.start(FRR_FAST);
    bench.speaker.set({ ...FAST, detectMult: 5, adaptive: true });
    await bench.speaker.inState("up");
    await eventually("negotiated", () => peer.peers()[0]?.["remote-transmit-interval"] === 50);
    process.kill(bench.speaker.pid, "SIGSTOP");
    await new Promise((done) => setTimeout(done, 170));
    process.kill(bench.speaker.pid, "SIGCONT");
    await eventually("relaxed", () =>
      bench.speaker.events.some((event) => event.event === "relaxed" && event.toMs === 100),
    );
    await eventually("FRR was told", () => peer.peers()[0]?.["remote-transmit-interval"] === 100);
    assert.equal((await bench.speaker.session()).downs, 0);
    assert.equal((await bench.speaker.session()).detectionTimeMs, 150);
  });
});

void describe("BIRD", () => {
  void test("single hop over global and link-local addresses, and multihop", async () => {
    const [here, there] = [bench.net.us.linkLocalOf("d0"), bench.net.peer.linkLocalOf("d1")];
    const peer = bench.bird();
    peer.start(`${birdFast()}
multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; };
neighbor ${here} dev "d1" local ${there};
neighbor ${ROUTED.us} local ${ROUTED.peer} multihop on;`);
    bench.speaker.set(
      FAST,
      { ...FAST, name: "link-local", local: `${here}%d0`, remote: `${there}%d0` },
      { ...MULTIHOP, name: "multihop" },
    );
    for (const name of ["one", "link-local", "multihop"]) await bench.speaker.inState("up", name);
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
  const peer = new Keepalived(bench.net.peer, bench.file("keepalived"));
  peer.start({ local: DIRECT.peer, neighbor: DIRECT.us, device: "d1", intervalMs: 50, multiplier: 3 });
  bench.speaker.set(FAST);
  await bench.speaker.inState("up", "one", 20_000);
  await eventually("negotiated", async () => (await bench.speaker.session()).detectionTimeMs === 150);
  peer.stop();
  await eventually("not up any more", async () => (await bench.speaker.session()).state !== "up");
});

void test("echo against a router that only forwards: Up, and Down when it is cut off", async () => {
  bench.routeEchoes();
  bench.speaker.set({ name: "one", kind: "echo", local: ROUTED.us, profile: "fast", adaptive: false });
  const session = await bench.speaker.inState("up");
  assert.ok(session.rttMs !== null);
  bench.net.router.run("ip", "link", "set", "r0", "down");
  const down = await bench.speaker.inState("down");
  assert.equal(down.diagnostic, "echo-failed");
  bench.net.router.run("ip", "link", "set", "r0", "up");
  await bench.speaker.inState("up");
});

void test("the process says AdminDown when it is stopped", async () => {
  const peer = bench.frr();
  peer.start(FRR_FAST);
  bench.speaker.set(FAST);
  await bench.speaker.inState("up");
  await bench.speaker.stop("SIGTERM");
  await eventually("FRR knows why", () => /administratively/i.test(peer.peers()[0]?.["remote-diagnostic"] ?? ""));
});
