/*
 * The speaker against FRR, BIRD and keepalived in network namespaces. Root and the packages frr, bird2, keepalived,
 * nftables are needed:
 *
 *     node --test --test-concurrency=1 hil-tests/lab/bfd/*.lab.test.ts
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, test } from "node:test";
import type { SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import { eventually, missingForLab } from "../namespaces.ts";
import { Bird } from "../peers/bird.ts";
import { Frr } from "../peers/frr.ts";
import { Keepalived } from "../peers/keepalived.ts";
import { SpeakerProcess } from "./speaker-process.ts";
import { buildTopology, DIRECT, ROUTED, type Topology } from "./topology.ts";

const missing = missingForLab(["bfdd", "bird", "keepalived", "nft", "ip"]);
let net: Topology;
let speaker: SpeakerProcess;

before(() => assert.deepEqual(missing, []));
beforeEach(async () => {
  net = buildTopology();
  speaker = new SpeakerProcess(net.us, net.lab.directory);
  await speaker.start({ fifo: true });
});
afterEach(async () => {
  await speaker.stop("SIGKILL");
  net.lab.destroy();
});

const FAST: SessionSpecInput = {
  name: "one",
  kind: "single-hop",
  local: DIRECT.us,
  remote: DIRECT.peer,
  profile: "fast",
  adaptive: false,
};
const MULTIHOP: SessionSpecInput = { ...FAST, kind: "multihop", local: ROUTED.us, remote: ROUTED.peer };
const TIMERS = "transmit-interval 50\nreceive-interval 50\ndetect-multiplier 3\n";

function frr(): Frr {
  return new Frr(net.peer, join(net.lab.directory, "frr"));
}

function bird(): Bird {
  return new Bird(net.peer, join(net.lab.directory, "bird"));
}

function birdSingleHop(extra = "", device = "d1"): string {
  return `interface "${device}" { min rx interval 50 ms; min tx interval 50 ms; idle tx interval 1 s; multiplier 3; ${extra} };`;
}

void describe("FRR", () => {
  void test("single hop over global addresses: Up, intervals and discriminators agree", async () => {
    const peer = frr();
    peer.start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    speaker.set(FAST);
    await speaker.inState("up");
    const theirs = await eventually("FRR negotiated", () => {
      const [first] = peer.peers();
      return first?.status === "up" && first["remote-transmit-interval"] === 50 && first;
    });
    const ours = await eventually("we negotiated", async () => {
      const session = await speaker.session();
      return session.detectionTimeMs === 150 && session;
    });
    assert.equal(theirs["remote-id"], ours.localDiscriminator);
    assert.equal(theirs.id, ours.remoteDiscriminator);
    assert.equal(ours.transmitIntervalMs, 50);
    assert.deepEqual(ours.refused, {});
  });

  void test("multihop through a router", async () => {
    frr().start(` peer ${ROUTED.us} multihop local-address ${ROUTED.peer}\n${TIMERS}`);
    speaker.set(MULTIHOP);
    await speaker.inState("up");
  });

  void test("single hop over link-local addresses", async () => {
    const [here, there] = [net.us.linkLocalOf("d0"), net.peer.linkLocalOf("d1")];
    frr().start(` peer ${here} local-address ${there} interface d1\n${TIMERS}`, { zebra: true });
    speaker.set({ ...FAST, local: `${here}%d0`, remote: `${there}%d0` });
    await speaker.inState("up", "one", 20_000);
  });

  void test("run-time change of intervals on both sides: no flap", async () => {
    const peer = frr();
    peer.start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    speaker.set(FAST);
    await speaker.inState("up");
    for (const intervalMs of [200, 50, 20, 100]) {
      speaker.set({ ...FAST, intervalMs });
      await eventually(
        `FRR hears ${intervalMs} ms`,
        () => peer.peers()[0]?.["remote-transmit-interval"] === intervalMs,
      );
    }
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "transmit-interval 20", "receive-interval 20");
    await eventually("we hear FRR", async () => (await speaker.session()).transmitIntervalMs === 100);
    assert.equal((await speaker.session()).downs, 0);
    assert.equal(peer.peers()[0]?.status, "up");
  });

  void test("AdminDown in both directions is no failure, and ends", async () => {
    const peer = frr();
    peer.start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    speaker.set(FAST);
    await speaker.inState("up");
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "shutdown");
    const down = await speaker.inState("down");
    assert.equal(down.liveness, "unknown");
    assert.equal(down.lastDown?.reason, "neighbor-admin-down");
    peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "no shutdown");
    await speaker.inState("up");
    speaker.set({ ...FAST, enabled: false });
    await eventually("FRR is down", () => peer.peers()[0]?.status === "down");
    speaker.set(FAST);
    await eventually("FRR is up again", () => peer.peers()[0]?.status === "up");
  });

  void test("a peer that is killed and starts again", async () => {
    const sessions = ` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`;
    const peer = frr();
    peer.start(sessions);
    speaker.set(FAST);
    const { remoteDiscriminator } = await speaker.inState("up");
    peer.kill();
    assert.equal((await speaker.inState("down")).diagnostic, "control-detection-expired");
    peer.start(sessions);
    assert.notEqual((await speaker.inState("up")).remoteDiscriminator, remoteDiscriminator);
  });

  void test("our address goes and comes back, our link goes and comes back: Up again by itself", async () => {
    frr().start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    speaker.set(FAST);
    await speaker.inState("up");
    net.us.run("ip", "-6", "addr", "del", `${DIRECT.us}/64`, "dev", "d0");
    await speaker.inState("down");
    net.us.address("d0", `${DIRECT.us}/64`);
    await speaker.inState("up");
    net.us.run("ip", "link", "set", "d0", "down");
    await speaker.inState("down");
    net.us.run("ip", "link", "set", "d0", "up");
    await speaker.inState("up");
  });

  void test("this process stopped for 250 ms, ten times: no Down of ours", async () => {
    frr().start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    speaker.set({ ...FAST, transmitIntervalMs: 300, receiveIntervalMs: 50 });
    await speaker.inState("up");
    await eventually("fast", async () => (await speaker.session()).detectionTimeMs === 150);
    for (let round = 0; round < 10; round++) {
      process.kill(speaker.pid, "SIGSTOP");
      await new Promise((done) => setTimeout(done, 250));
      process.kill(speaker.pid, "SIGCONT");
      await new Promise((done) => setTimeout(done, 250));
    }
    assert.equal((await speaker.session()).downs, 0);
  });

  void test("a stall that FRR barely sits out makes the interval climb by a poll, without a flap", async () => {
    const peer = frr();
    peer.start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    speaker.set({ ...FAST, detectMult: 5, adaptive: true });
    await speaker.inState("up");
    await eventually("negotiated", () => peer.peers()[0]?.["remote-transmit-interval"] === 50);
    process.kill(speaker.pid, "SIGSTOP");
    await new Promise((done) => setTimeout(done, 170));
    process.kill(speaker.pid, "SIGCONT");
    await eventually("relaxed", () => speaker.events.some((event) => event.event === "relaxed" && event.toMs === 100));
    await eventually("FRR was told", () => peer.peers()[0]?.["remote-transmit-interval"] === 100);
    assert.equal((await speaker.session()).downs, 0);
    assert.equal((await speaker.session()).detectionTimeMs, 150);
  });

  void test("spoofed hop limits and ports are dropped by the packet filter, and the session stays", async () => {
    frr().start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
    net.us.filter(`table inet bfd {
  counter dropped { }
  chain in {
    type filter hook input priority filter - 10; policy accept;
    udp dport 3784 ip6 hoplimit != 255 counter name dropped drop
    udp dport 3784 udp sport < 49152 counter name dropped drop
  }
}`);
    speaker.set(FAST);
    await speaker.inState("up");
    const refusedBefore = (await speaker.session()).refused;
    const spoof = `import socket
for ttl, port in ((64, 50000), (254, 50001), (255, 1024)):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    s.bind(("${DIRECT.peer}", port))
    s.sendto(bytes.fromhex("20400318000000010000000000000bb800000bb800000000"), ("${DIRECT.us}", 3784))`;
    net.peer.run("python3", "-c", spoof);
    await eventually("three are dropped", () => /packets 3 /.test(net.us.run("nft", "list", "counters")));
    const session = await speaker.session();
    assert.equal(session.downs, 0);
    assert.deepEqual(session.refused, refusedBefore);
  });
});

void describe("BIRD", () => {
  void test("single hop over global and link-local addresses, and multihop", async () => {
    const [here, there] = [net.us.linkLocalOf("d0"), net.peer.linkLocalOf("d1")];
    const peer = bird();
    peer.start(`${birdSingleHop()}
multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; };
neighbor ${DIRECT.us} dev "d1" local ${DIRECT.peer};
neighbor ${here} dev "d1" local ${there};
neighbor ${ROUTED.us} local ${ROUTED.peer} multihop on;`);
    speaker.set(
      FAST,
      { ...FAST, name: "link-local", local: `${here}%d0`, remote: `${there}%d0` },
      { ...MULTIHOP, name: "multihop" },
    );
    for (const name of ["one", "link-local", "multihop"]) await speaker.inState("up", name);
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

  for (const type of [
    "simple-password",
    "keyed-md5",
    "meticulous-keyed-md5",
    "keyed-sha1",
    "meticulous-keyed-sha1",
  ] as const) {
    const theirs = type === "simple-password" ? "simple" : type.replaceAll("-", " ");
    const neighbor = `neighbor ${DIRECT.us} dev "d1" local ${DIRECT.peer};`;
    const withKey = (id: number, secret: string) => ({ ...FAST, auth: { type, keys: [{ id, secret }] } });

    void test(`authentication ${type}: Up, and held for two seconds; wrong keys never`, async () => {
      bird().start(`${birdSingleHop(`authentication ${theirs}; password "s3cr3t-k3y" { id 7; };`)}\n${neighbor}`);
      speaker.set(withKey(7, "wrong"));
      await eventually(
        "refused by its digest",
        async () => ((await speaker.session()).refused["auth-digest"] ?? 0) >= 2,
      );
      assert.equal((await speaker.session()).state, "down");
      speaker.set(withKey(8, "s3cr3t-k3y"));
      await eventually(
        "refused by its key id",
        async () => ((await speaker.session()).refused["auth-key-id"] ?? 0) >= 2,
      );
      speaker.set(withKey(7, "s3cr3t-k3y"));
      await speaker.inState("up");
      await new Promise((done) => setTimeout(done, 2000));
      assert.equal((await speaker.session()).downs, 0);
      // To another key on the running session: both first, then the new one alone.
      speaker.set({
        ...FAST,
        auth: {
          type,
          keys: [
            { id: 7, secret: "s3cr3t-k3y" },
            { id: 9, secret: "next" },
          ],
        },
      });
      await new Promise((done) => setTimeout(done, 300));
      assert.equal((await speaker.session()).downs, 0);
    });
  }

  void test("a peer without authentication never gets an authenticated session Up", async () => {
    bird().start(`${birdSingleHop()}\nneighbor ${DIRECT.us} dev "d1" local ${DIRECT.peer};`);
    speaker.set({ ...FAST, auth: { type: "keyed-sha1", keys: [{ id: 1, secret: "x" }] } });
    await eventually("refused", async () => ((await speaker.session()).refused["auth-missing"] ?? 0) >= 3);
    assert.equal((await speaker.session()).state, "down");
  });
});

void test("keepalived: Up, and Down when it stops", async () => {
  const peer = new Keepalived(net.peer, join(net.lab.directory, "keepalived"));
  peer.start({ local: DIRECT.peer, neighbor: DIRECT.us, device: "d1", intervalMs: 50, multiplier: 3 });
  speaker.set(FAST);
  await speaker.inState("up", "one", 20_000);
  await eventually("negotiated", async () => (await speaker.session()).detectionTimeMs === 150);
  peer.stop();
  await eventually("not up any more", async () => (await speaker.session()).state !== "up");
});

void test("echo against a router that only forwards: Up, and Down when it is cut off", async () => {
  const { us, router } = net;
  // Packets to our own address leave by the router, if they are echoes and made here; everything else stays local.
  us.run("ip", "-6", "rule", "add", "pref", "100", "lookup", "local");
  us.run("ip", "-6", "rule", "add", "pref", "50", "iif", "lo", "ipproto", "udp", "dport", "3785", "lookup", "3785");
  us.run("ip", "-6", "rule", "del", "pref", "0");
  us.run("ip", "-6", "route", "add", `${ROUTED.us}/128`, "via", ROUTED.router, "dev", "u0", "table", "3785");
  speaker.set({ name: "one", kind: "echo", local: ROUTED.us, profile: "fast", adaptive: false });
  const session = await speaker.inState("up");
  assert.ok(session.rttMs !== null);
  router.run("ip", "link", "set", "r0", "down");
  const down = await speaker.inState("down");
  assert.equal(down.diagnostic, "echo-failed");
  router.run("ip", "link", "set", "r0", "up");
  await speaker.inState("up");
});

void test("the process says AdminDown when it is stopped", async () => {
  const peer = frr();
  peer.start(` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${TIMERS}`);
  speaker.set(FAST);
  await speaker.inState("up");
  await speaker.stop("SIGTERM");
  await eventually("FRR knows why", () => /administratively/i.test(peer.peers()[0]?.["remote-diagnostic"] ?? ""));
});
