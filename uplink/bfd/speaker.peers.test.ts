import { beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import type { BfdPacket } from "@paddock/wire/bfd-packet.ts";
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
  sentTo,
  SESSION,
  setUp,
  words,
} from "./speaker-fixture.ts";

beforeEach(setUp);

describe("peers that nobody configured", () => {
  const at = { kind: "multihop", local: A, localPort: 4784 } as const;
  const STRANGER = "2001:db8::5";
  const everyone = { allows: () => true };

  test("become sessions only where somebody accepts them, with the timers that are told there", () => {
    left.add({ ...SESSION, kind: "multihop" });
    clock.advance(2000);
    expect(right.report().sessions).toEqual([]);
    right.acceptPeers("multihop", B, { allows: (remote) => remote === A, session: { intervalMs: 100, detectMult: 5 } });
    clock.advance(5000);
    expect(reportOf(left)).toMatchObject({ state: "up", ups: 1, detectionTimeMs: 1500 });
    expect(reportOf(right, `${B} ${A}`)).toMatchObject({ state: "up", ups: 1, downs: 0, remote: A });
    network.passes = () => false;
    clock.advance(3000);
    network.passes = () => true;
    clock.advance(5000);
    expect(reportOf(left)).toMatchObject({ state: "up", ups: 2 });
    expect(right.sessionCount).toBe(1);
  });

  test("get one packet for each of theirs, no session and no timer, until our discriminator comes back", () => {
    left.acceptPeers("multihop", A, everyone);
    for (let count = 1; count <= 50; count++) {
      // A made-up source never hears the answer, so it can only guess.
      const yourDiscriminator = count % 2 === 0 ? 0 : count;
      const state = yourDiscriminator === 0 ? "down" : "init";
      left.receive({ ...at, remote: STRANGER }, words({ myDiscriminator: count, yourDiscriminator, state }));
      clock.advance(1000);
    }
    expect(left.sessionCount).toBe(0);
    expect(sentTo(STRANGER)).toHaveLength(25);
    expect(left.report().refused).toEqual({ unproven: 25, "unknown-session": 25 });
    clock.advance(600_000);
    expect(sentTo(STRANGER)).toHaveLength(25);
  });

  test("proven, the peer goes Up without a Down between", () => {
    left.acceptPeers("multihop", A, everyone);
    left.receive({ ...at, remote: STRANGER }, words());
    const [greeting] = sentTo(STRANGER);
    expect(greeting).toMatchObject({ state: "down", yourDiscriminator: 77, desiredMinTxUs: 1_000_000, detectMult: 3 });
    const yourDiscriminator = greeting!.myDiscriminator;
    // Told to one address, it proves nothing from another, nor for another session.
    left.receive({ ...at, remote: "2001:db8::6" }, words({ yourDiscriminator, state: "init" }));
    left.receive({ ...at, remote: STRANGER }, words({ yourDiscriminator, state: "init", myDiscriminator: 78 }));
    expect(left.sessionCount).toBe(0);
    left.receive({ ...at, remote: STRANGER }, words({ yourDiscriminator, state: "init" }));
    expect(reportOf(left, `${A} ${STRANGER}`)).toMatchObject({ state: "up", localDiscriminator: yourDiscriminator });
    expect(sentTo(STRANGER).map(({ state }) => state)).toEqual(["down", "up"]);
  });

  test("are refused where they are not allowed, and when no session can be made for them", () => {
    left.acceptPeers("multihop", A, { allows: (remote) => remote !== STRANGER });
    for (const remote of [STRANGER, "fe80::9%va"]) left.receive({ ...at, remote }, words());
    left.receive({ ...at, remote: B }, words({ state: "admin-down" }));
    expect(left.report().refused).toEqual({ "no-session": 3 });
    expect(network.sent).toEqual([]);
  });

  test("no datagram from anywhere makes it throw or send more than came", () => {
    left.acceptPeers("multihop", A, everyone);
    const chance = seededRandom(4784);
    const remotes = [A, B, "::", "::1", "ff02::1", "fe80::1%va", "0.0.0.0", "127.0.0.1", "", "no address"];
    for (let length = 0; length <= 80; length++) {
      for (const remote of remotes) {
        const bytes = Buffer.concat([words({ myDiscriminator: 1 + chance.below(9) }), chance.bytes(60)]).subarray(
          0,
          length,
        );
        if (length > 0 && chance.below(2) === 0) bytes[chance.below(length)] = chance.below(256);
        const before = network.sent.length;
        left.receive({ ...at, remote }, bytes);
        expect(network.sent.length - before).toBeLessThanOrEqual(1);
        expect(network.sent[before]?.datagram.length ?? 0).toBeLessThanOrEqual(length);
      }
    }
    clock.advance(60_000);
  });
});

/** What the right end would say to the left one. */
function echoed(change: Partial<BfdPacket> = {}): Buffer {
  const { localDiscriminator } = reportOf(left);
  const remote = reportOf(right);
  return words({
    state: "up",
    myDiscriminator: remote.localDiscriminator,
    yourDiscriminator: localDiscriminator,
    desiredMinTxUs: 300_000,
    ...change,
  });
}

describe("a peer that speaks from another address, RFC 5880 6.3", () => {
  const multihop = { ...SESSION, kind: "multihop" } as const;
  const at = { kind: "multihop", local: A, localPort: 4784 } as const;
  const MOVED = "2001:db8::b";

  test("is followed over several hops: its packets count, and ours go there", () => {
    bothUp({ kind: "multihop" });
    left.receive({ ...at, remote: MOVED }, echoed());
    expect(reportOf(left)).toMatchObject({ state: "up", remote: MOVED, downs: 0, refused: {} });
    expect(events.at(-1)).toMatchObject({ event: "moved", name: "one", from: B, to: MOVED });
    const before = network.sent.length;
    clock.advance(500);
    const ours = network.sent.slice(before).filter(({ route }) => route.local === A);
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.every(({ route }) => route.remote === MOVED && route.remotePort === 4784)).toBe(true);
    // Whoever asks for the session again means the same one.
    left.add(multihop);
    expect(reportOf(left).remote).toBe(MOVED);
  });

  test("is followed once a second at most, though all its packets count", () => {
    bothUp({ kind: "multihop" });
    clock.advance(2000);
    const { received } = reportOf(left);
    for (const remote of [MOVED, B, MOVED, B]) left.receive({ ...at, remote }, echoed());
    expect(reportOf(left)).toMatchObject({ remote: MOVED, received: received + 4 });
    expect(events.filter(({ event }) => event === "moved")).toHaveLength(1);
  });

  test.each([
    ["an unknown discriminator", { yourDiscriminator: 4711 }, MOVED],
    ["a link-local address", {}, "fe80::b%va"],
  ])("not with %s", (_name, change, remote) => {
    bothUp({ kind: "multihop" });
    left.receive({ ...at, remote }, echoed(change));
    expect(reportOf(left).remote).toBe(B);
  });

  test("not to where another session's peer is", () => {
    bothUp({ kind: "multihop" });
    left.add({ ...multihop, name: "two", remote: MOVED });
    left.receive({ ...at, remote: MOVED }, echoed());
    expect(reportOf(left)).toMatchObject({ remote: B, refused: { "wrong-peer": 1 } });
  });

  test("not unless authentication holds", () => {
    bothUp({ kind: "multihop", ...auth(key(1, "one")) });
    left.receive({ ...at, remote: MOVED }, echoed());
    expect(reportOf(left)).toMatchObject({ remote: B, refused: { "auth-missing": 1 } });
  });

  test("a passive session follows only to where peers are allowed", () => {
    left.acceptPeers("multihop", A, { allows: (remote) => remote === B });
    right.add({ ...MIRROR, kind: "multihop" });
    clock.advance(5000);
    const session = reportOf(left, `${A} ${B}`);
    expect(session.state).toBe("up");
    const bytes = words({
      state: "up",
      myDiscriminator: reportOf(right).localDiscriminator,
      yourDiscriminator: session.localDiscriminator,
    });
    left.receive({ ...at, remote: MOVED }, bytes);
    expect(reportOf(left, `${A} ${B}`)).toMatchObject({ remote: B, refused: { "wrong-peer": 1 } });
  });

  test("who comes to the address that a passive peer has left gets a session beside it, and all of them end", () => {
    left.acceptPeers("multihop", A, { allows: () => true });
    const REMOTES = [B, MOVED, "2001:db8::c", "2001:db8::d"];
    for (const [index, home] of REMOTES.slice(1).entries()) {
      clock.advance(1500);
      const myDiscriminator = 100 + index;
      const before = sentTo(B).length;
      left.receive({ ...at, remote: B }, words({ myDiscriminator }));
      const yourDiscriminator = sentTo(B).slice(before)[0]!.myDiscriminator;
      left.receive({ ...at, remote: B }, words({ myDiscriminator, yourDiscriminator, state: "init" }));
      left.receive({ ...at, remote: home }, words({ myDiscriminator, yourDiscriminator, state: "up" }));
      expect(left.sessionCount).toBe(index + 1);
    }
    expect(left.report().sessions.map(({ remote }) => remote)).toEqual(REMOTES.slice(1));
    for (const { name } of left.report().sessions) left.remove(name);
    clock.advance(5000);
    const sent = network.sent.length;
    clock.advance(60_000);
    expect(network.sent).toHaveLength(sent);
  });
});
