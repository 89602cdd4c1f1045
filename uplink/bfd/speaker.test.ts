import { beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { decodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { reflect } from "./reflect.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import {
  A,
  auth,
  B,
  bothUp,
  clock,
  events,
  key,
  left,
  MIRROR,
  network,
  reportOf,
  right,
  SESSION,
  setUp,
  states,
} from "./speaker-fixture.ts";
import { Speaker } from "./speaker.ts";

beforeEach(setUp);

describe("a machine that stops between its clock and its socket", () => {
  test.each([["single-hop"], ["seamless"]] as const)(
    "%s: packets are never closer than 75 % of the interval",
    (kind) => {
      let lostUs = 0;
      const sends: { from: number; to: number }[] = [];
      const now = () => clock.monotonicUs() + lostUs;
      const slow = new Speaker({
        clock: { wallMs: () => clock.wallMs(), monotonicUs: now, after: (ms, callback) => clock.after(ms, callback) },
        random: seededRandom(3),
        transport: {
          listen: (...args) => network.listen(...args),
          sender: (...args) => network.sender(...args),
          connect: (...args) => {
            const channel = network.connect(...args);
            return {
              ...channel,
              send: (packet) => {
                const from = now();
                if (sends.length % 3 === 0) lostUs += 30_000;
                channel.send(packet);
                sends.push({ from, to: now() });
              },
            };
          },
        },
        afterReading: (callback) => clock.after(0.05, callback),
      });
      const served = { discriminators: new Set([900]), requiredMinRxUs: 10_000, disabled: false };
      network.answer = (datagram) => (reflect(datagram, served) === undefined ? datagram : undefined);
      const far = kind === "seamless" ? { kind, remoteDiscriminator: 900 } : {};
      slow.add({ ...SESSION, ...far, profile: "fast", adaptive: false });
      if (kind === "single-hop") right.add({ ...MIRROR, profile: "fast", adaptive: false });
      clock.advance(5000);
      expect(reportOf(slow).state).toBe("up");
      sends.length = 0;
      clock.advance(10_000);
      const gapsUs = sends.slice(1).map(({ from }, index) => from - sends[index]!.to);
      expect(gapsUs.length).toBeGreaterThan(150);
      expect(Math.min(...gapsUs)).toBeGreaterThanOrEqual(37_500);
    },
  );
});

describe("sessions", () => {
  test.each([
    ["single-hop", {}],
    ["multihop", { kind: "multihop" }],
    ["link-local", { local: "fe80::1%va", remote: "fe80::2%va" }],
  ] as const)("%s: Up, and Down when the wire is cut, with what detection took", (_name, change) => {
    left.add({ ...SESSION, ...change });
    right.add({ ...MIRROR, ...change, ...("local" in change ? { local: change.remote, remote: change.local } : {}) });
    clock.advance(5000);
    expect(reportOf(left)).toMatchObject({ state: "up", transmitIntervalMs: 300, detectionTimeMs: 900 });
    network.passes = () => false;
    clock.advance(2000);
    expect(states().at(-1)).toMatchObject({
      from: "up",
      to: "down",
      liveness: "down",
      reason: "detection-expired",
      diagnostic: "control-detection-expired",
      detectionTimeMs: 900,
      stalledMs: 0,
    });
    expect(states().at(-1)!.detectedInMs).toBeGreaterThanOrEqual(900);
    expect(states().at(-1)!.detectedInMs).toBeLessThan(902);
  });

  test("a session that was never Up says nothing about the path", () => {
    left.add(SESSION);
    clock.advance(60_000);
    expect(reportOf(left)).toMatchObject({ state: "down", liveness: "unknown" });
  });

  test("a peer that is switched off is no failure, and neither is one that is removed", () => {
    bothUp();
    right.change("one", { enabled: false });
    clock.advance(1);
    expect(states().at(-1)).toMatchObject({ to: "down", liveness: "unknown", reason: "neighbor-admin-down" });
    right.change("one", { enabled: true });
    clock.advance(5000);
    expect(reportOf(left).liveness).toBe("up");
    right.remove("one");
    clock.advance(60_000);
    expect(reportOf(left)).toMatchObject({ state: "down", liveness: "unknown" });
  });

  test("a stall of this process is told with the Down it may explain", () => {
    bothUp();
    // The clock jumps as it does for a stopped process: every timer is late, and nothing was sent meanwhile.
    network.passes = () => false;
    const stuck = clock.monotonicUs.bind(clock);
    let offsetUs = 0;
    clock.monotonicUs = () => stuck() + offsetUs;
    offsetUs = 2_000_000;
    clock.advance(500);
    const down = states().at(-1)!;
    expect(down).toMatchObject({ to: "down", reason: "detection-expired" });
    expect(down.stalledMs).toBeGreaterThan(1500);
  });

  test("close tells the peers", async () => {
    bothUp();
    const closed = right.close();
    clock.advance(1200);
    await closed;
    expect(states().at(-1)).toMatchObject({ reason: "neighbor-admin-down", liveness: "unknown" });
    expect(right.report().sessions).toEqual([]);
  });

  test("an interval can change without a flap", () => {
    bothUp();
    for (const intervalMs of [1000, 50, 20, 300]) {
      left.change("one", { intervalMs });
      clock.advance(10_000);
      expect(reportOf(left)).toMatchObject({ state: "up", transmitIntervalMs: Math.max(300, intervalMs), downs: 0 });
      expect(reportOf(right).downs).toBe(0);
    }
    expect(events.some((event) => event.event === "pace")).toBe(true);
  });

  test("what cannot change in place is refused", () => {
    left.add(SESSION);
    expect(() => left.change("one", { remote: "fd00::c" })).toThrow(/remote cannot change/);
    expect(() => left.change("two", {})).toThrow(/no session "two"/);
    expect(() => left.add({ ...SESSION, name: "two" })).toThrow(/watches the same peer/);
    expect(() => left.add(SESSION)).not.toThrow();
  });

  test("a peer that starts again with another discriminator is taken up", () => {
    bothUp();
    network.passes = (from) => from !== B;
    right.remove("one");
    network.passes = () => true;
    right.add(MIRROR);
    clock.advance(6000);
    expect(reportOf(left)).toMatchObject({ state: "up", downs: 1 });
    expect(reportOf(left).remoteDiscriminator).toBe(reportOf(right).localDiscriminator);
  });
});

describe("what a session costs and loses", () => {
  test("bytes are counted with their headers, in both directions, and told for a day at the pace of now", () => {
    bothUp();
    const { sent, received, bytes, bytesPerDay } = reportOf(left);
    expect(bytes).toBe(72 * (sent + received));
    const before = { bytes, at: clock.monotonicUs() };
    clock.advance(600_000);
    const perDay = ((reportOf(left).bytes - before.bytes) / (clock.monotonicUs() - before.at)) * 86_400e6;
    expect(perDay / bytesPerDay).toBeCloseTo(1, 1);
  });

  test("packets that are missing between others show as loss, for a minute", () => {
    bothUp();
    clock.advance(60_000);
    expect(reportOf(left).lossLastMinute).toBe(0);
    let count = 0;
    network.passes = (_from, to) => to !== A || count++ % 4 !== 0;
    clock.advance(60_000);
    expect(reportOf(left).downs).toBe(0);
    // At least: the peer sends 14 % more than one in each interval.
    expect(reportOf(left).lossLastMinute).toBeGreaterThan(0.1);
    expect(reportOf(left).lossLastMinute).toBeLessThan(0.25);
    network.passes = () => true;
    clock.advance(61_000);
    expect(reportOf(left).lossLastMinute).toBe(0);
  });

  test("packets that come late and then close together are no loss", () => {
    const random = seededRandom(7);
    network.delayMs = () => random.float() * 200;
    bothUp();
    clock.advance(60_000);
    expect(reportOf(left)).toMatchObject({ downs: 0, lossLastMinute: 0 });
  });

  test("a probe counts the answers that did not come", () => {
    const served = { discriminators: new Set([900]), requiredMinRxUs: 10_000, disabled: false };
    network.answer = (datagram) => (reflect(datagram, served) === undefined ? datagram : undefined);
    left.add({ name: "probe", kind: "seamless", local: A, remote: B, remoteDiscriminator: 900, profile: "steady" });
    clock.advance(70_000);
    expect(reportOf(left, "probe").lossLastMinute).toBe(0);
    let count = 0;
    network.passes = () => count++ % 10 !== 0;
    clock.advance(60_000);
    expect(reportOf(left, "probe").lossLastMinute).toBeCloseTo(0.1, 2);
  });
});

describe("authentication", () => {
  test("with the same keys", () => bothUp(auth(key(1, "one"))));

  test.each([
    ["wrong secret", auth(key(1, "two")), "auth-digest"],
    ["wrong id", auth(key(2, "one")), "auth-key-id"],
    ["none", {}, "auth-missing"],
  ] as const)("%s: never Up, counted", (_name, mirror, cause) => {
    left.add({ ...SESSION, ...auth(key(1, "one")) });
    right.add({ ...MIRROR, ...mirror });
    clock.advance(10_000);
    expect(reportOf(left)).toMatchObject({ state: "down", received: 0 });
    expect(reportOf(left).refused[cause]).toBeGreaterThan(5);
  });

  test("unexpected authentication is refused too", () => {
    left.add(SESSION);
    right.add({ ...MIRROR, ...auth(key(1, "one")) });
    clock.advance(3000);
    expect(reportOf(left).refused["auth-unexpected"]).toBeGreaterThan(0);
  });

  test("keys rotate on a running session without a flap", () => {
    bothUp(auth(key(1, "one")));
    for (const speaker of [left, right]) speaker.change("one", auth(key(1, "one"), key(2, "two")));
    clock.advance(2000);
    for (const speaker of [left, right]) speaker.change("one", auth(key(2, "two"), key(1, "one")));
    clock.advance(2000);
    for (const speaker of [left, right]) speaker.change("one", auth(key(2, "two")));
    clock.advance(2000);
    expect(reportOf(left)).toMatchObject({ state: "up", downs: 0, refused: {} });
    expect(reportOf(right)).toMatchObject({ state: "up", downs: 0, refused: {} });
  });

  test("a replayed packet is refused and changes nothing", () => {
    bothUp(auth(key(1, "one")));
    const old = network.sent.findLast(({ route }) => route.local === B)!.datagram;
    left.receive({ kind: "single-hop", local: A, localPort: 3784, remote: B }, Buffer.from(old));
    expect(reportOf(left)).toMatchObject({ state: "up", refused: { "auth-sequence": 1 } });
  });
});

describe("probes", () => {
  const seamless: SessionSpecInput = { name: "one", kind: "seamless", local: A, remote: B, remoteDiscriminator: 900 };

  test("seamless: Up with a round trip, Down when the reflector is gone, unknown when it is switched off", () => {
    let disabled = false;
    network.answer = (datagram) =>
      reflect(datagram, { discriminators: new Set([900]), requiredMinRxUs: 10_000, disabled }) === undefined
        ? datagram
        : undefined;
    left.add(seamless);
    left.add({ ...seamless, name: "relayed", remotePort: 17_784 });
    clock.advance(3000);
    expect(reportOf(left)).toMatchObject({ liveness: "up", rttMs: 0.4 });
    expect(reportOf(left, "relayed").liveness).toBe("up");
    disabled = true;
    clock.advance(1000);
    expect(reportOf(left).liveness).toBe("unknown");
    disabled = false;
    clock.advance(2000);
    network.passes = () => false;
    clock.advance(1500);
    expect(reportOf(left)).toMatchObject({ liveness: "down", diagnostic: "control-detection-expired" });
  });

  test("echo: whatever comes back unchanged proves the way", () => {
    network.answer = (datagram, route) => (route.remote === A && route.remotePort === 3785 ? datagram : undefined);
    left.add({ name: "one", kind: "echo", local: A });
    clock.advance(3000);
    expect(reportOf(left).liveness).toBe("up");
    network.passes = () => false;
    clock.advance(1500);
    expect(reportOf(left)).toMatchObject({ liveness: "down", diagnostic: "echo-failed" });
  });
});

test("the interval climbs the ladder when this process stalls, by a poll, and comes back after a calm minute", () => {
  bothUp({ profile: "fast" });
  const real = clock.after.bind(clock);
  let lateMs = 90;
  clock.after = (delayMs, callback) => real(delayMs < 1 ? delayMs : delayMs + lateMs, callback);
  clock.advance(500);
  lateMs = 0;
  clock.advance(2000);
  expect(events.find((event) => event.event === "relaxed")).toMatchObject({ fromMs: 50, toMs: 100 });
  expect(reportOf(left)).toMatchObject({ relaxedFromMs: 50, transmitIntervalMs: 100 });
  expect(network.sent.some(({ datagram }) => announces(datagram, 100_000))).toBe(true);
  clock.advance(65_000);
  expect(events.find((event) => event.event === "restored")).toMatchObject({ fromMs: 100, toMs: 50 });
  expect(reportOf(left)).toMatchObject({ relaxedFromMs: null, transmitIntervalMs: 50 });
});

function announces(datagram: Buffer, intervalUs: number): boolean {
  const decoded = decodeBfdPacket(datagram);
  return decoded.ok && decoded.value.poll && decoded.value.desiredMinTxUs === intervalUs;
}
