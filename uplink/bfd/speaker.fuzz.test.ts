import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { type Random, seededRandom } from "@paddock/base/random.ts";
import { FUZZ_LIMIT_MS, MILLION } from "@paddock/base/testing/fuzz.ts";
import { encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { FakeNetwork } from "./fake-network.ts";
import { Speaker } from "./speaker.ts";

const A = "fd00::a";
const B = "fd00::b";

/** Bytes like those of a real packet, spoiled here and there. */
function mutated(golden: readonly Buffer[], random: Random): Buffer {
  const bytes = Buffer.from(golden[random.below(golden.length)]!);
  for (let flips = 1 + random.below(4); flips > 0; flips--) {
    if (random.below(2) === 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    else bytes[random.below(bytes.length)] = random.below(256);
  }
  return random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

const sum = (counters: Readonly<Record<string, number>>) =>
  Object.values(counters).reduce((total, count) => total + count, 0);

test(
  `${MILLION} spoiled packets: no throw, every one counted, and an authenticated session does not move`,
  () => {
    const clock = new VirtualClock();
    const network = new FakeNetwork(clock);
    const auth = { type: "meticulous-keyed-sha1" as const, keys: [{ id: 1, secret: "s3cr3t" }] };
    const make = (seed: number) =>
      new Speaker({
        clock,
        random: seededRandom(seed),
        transport: network,
        afterReading: (callback) => clock.after(0.05, callback),
      });
    const left = make(1);
    const right = make(2);
    left.add({ name: "watched", kind: "single-hop", local: A, remote: B, auth });
    right.add({ name: "watched", kind: "single-hop", local: B, remote: A, auth });
    clock.advance(5000);
    const golden = network.sent.filter(({ route }) => route.local === B).map(({ datagram }) => datagram);
    const before = left.report().sessions[0]!;
    expect(before.state).toBe("up");

    const random = seededRandom(5880);
    const arrival = { kind: "single-hop", local: A, localPort: 3784, remote: B } as const;
    let untouched = 0;
    for (let round = 0; round < MILLION; round++) {
      const datagram = mutated(golden, random);
      if (golden.some((packet) => packet.equals(datagram))) untouched++;
      left.receive(arrival, datagram);
    }

    const after = left.report();
    const session = after.sessions[0]!;
    expect(sum(after.refused) + sum(session.refused)).toBe(MILLION);
    expect(session).toMatchObject({
      state: "up",
      received: before.received,
      ups: before.ups,
      downs: 0,
      remoteDiscriminator: before.remoteDiscriminator,
      transmitIntervalMs: before.transmitIntervalMs,
      detectionTimeMs: before.detectionTimeMs,
    });
    // Untouched ones are replays, which the sequence number refuses.
    expect(session.refused["auth-sequence"]).toBeGreaterThanOrEqual(untouched);
    const causes = [
      "version",
      "truncated",
      "length-too-small",
      "length-beyond-payload",
      "detect-mult-zero",
      "multipoint",
      "unknown-session",
    ];
    for (const cause of causes) expect(after.refused[cause], cause).toBeGreaterThan(0);
    for (const cause of ["auth-type", "auth-length", "auth-key-id", "auth-digest", "auth-missing"]) {
      expect(session.refused[cause], cause).toBeGreaterThan(0);
    }
  },
  FUZZ_LIMIT_MS,
);

test("RFC 5880 6.8.6 with a session: what is refused leaves the session as it was", () => {
  const clock = new VirtualClock();
  const left = new Speaker({ clock, random: seededRandom(1), transport: new FakeNetwork(clock) });
  left.add({ name: "watched", kind: "single-hop", local: A, remote: B });
  const { localDiscriminator } = left.report().sessions[0]!;
  const packet = {
    diagnostic: 0,
    state: "init",
    poll: true,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMult: 3,
    myDiscriminator: 5,
    yourDiscriminator: localDiscriminator,
    desiredMinTxUs: 10_000,
    requiredMinRxUs: 10_000,
    requiredMinEchoRxUs: 0,
  } as const;
  const here = { kind: "single-hop", local: A, localPort: 3784, remote: B } as const;
  const authenticated = Buffer.concat([encodeBfdPacket(packet), Buffer.from([1, 4, 7, 65])]);
  authenticated[1]! |= 0x04;
  authenticated[3] = 28;

  left.receive(here, encodeBfdPacket({ ...packet, yourDiscriminator: (localDiscriminator ^ 1) >>> 0 }));
  left.receive({ ...here, remote: "fd00::c" }, encodeBfdPacket({ ...packet, state: "down", yourDiscriminator: 0 }));
  left.receive({ ...here, remote: "fd00::c" }, encodeBfdPacket(packet));
  left.receive({ ...here, kind: "multihop", localPort: 4784 }, encodeBfdPacket(packet));
  left.receive(here, authenticated);

  expect(left.report().refused).toEqual({ "unknown-session": 1, "no-session": 1 });
  expect(left.report().sessions[0]).toMatchObject({
    state: "down",
    received: 0,
    sent: 0,
    remoteDiscriminator: 0,
    refused: { "wrong-peer": 2, "auth-unexpected": 1 },
  });
  left.receive(here, encodeBfdPacket(packet));
  expect(left.report().sessions[0]).toMatchObject({ state: "up", received: 1 });
});
