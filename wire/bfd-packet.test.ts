import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { seededRandom } from "@paddock/base/random.ts";
import {
  BFD_STATES,
  type BfdPacket,
  type BfdPacketProblem,
  decodeBfdPacket,
  diagnosticCode,
  diagnosticName,
  encodeBfdPacket,
} from "./bfd-packet.ts";

const arbitraryPacket: fc.Arbitrary<BfdPacket> = fc
  .record({
    diagnostic: fc.nat(31),
    state: fc.constantFrom(...BFD_STATES),
    poll: fc.boolean(),
    final: fc.boolean(),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    detectMult: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    yourDiscriminator: fc.integer({ min: 0, max: 0xffff_ffff }),
    desiredMinTxUs: fc.integer({ min: 0, max: 0xffff_ffff }),
    requiredMinRxUs: fc.integer({ min: 0, max: 0xffff_ffff }),
    requiredMinEchoRxUs: fc.integer({ min: 0, max: 0xffff_ffff }),
  })
  .filter((packet) => packet.yourDiscriminator !== 0 || packet.state === "down" || packet.state === "admin-down");

describe("golden packets", () => {
  test("from another implementation: Up, equal intervals", () => {
    const bytes = Buffer.from("20c003189fb205d64a2357dc000493e0000493e00000c350", "hex");
    const packet = expectAccepted(decodeBfdPacket(bytes));
    expect(packet).toEqual({
      diagnostic: 0,
      state: "up",
      poll: false,
      final: false,
      controlPlaneIndependent: false,
      demand: false,
      detectMult: 3,
      myDiscriminator: 0x9fb205d6,
      yourDiscriminator: 0x4a2357dc,
      desiredMinTxUs: 300_000,
      requiredMinRxUs: 300_000,
      requiredMinEchoRxUs: 50_000,
      authenticated: false,
      lengthBytes: 24,
    });
    expect(encodeBfdPacket(packet)).toEqual(bytes);
  });

  test("from a third one: odd intervals", () => {
    const bytes = Buffer.from("20c00318deadbeef211268090000001f0000007f000000ff", "hex");
    const packet = expectAccepted(decodeBfdPacket(bytes));
    expect(packet).toMatchObject({ desiredMinTxUs: 31, requiredMinRxUs: 127, requiredMinEchoRxUs: 255 });
    expect(encodeBfdPacket(packet)).toEqual(bytes);
  });

  test("every flag has its own bit", () => {
    const base = expectAccepted(decodeBfdPacket(valid()));
    const flagsOf = (change: Partial<BfdPacket>) => encodeBfdPacket({ ...base, ...change })[1];
    expect(flagsOf({ state: "admin-down" })).toBe(0x00);
    expect(flagsOf({ state: "down" })).toBe(0x40);
    expect(flagsOf({ state: "init" })).toBe(0x80);
    expect(flagsOf({ state: "up" })).toBe(0xc0);
    expect(flagsOf({ poll: true })).toBe(0xe0);
    expect(flagsOf({ final: true })).toBe(0xd0);
    expect(flagsOf({ controlPlaneIndependent: true })).toBe(0xc8);
    expect(flagsOf({ demand: true })).toBe(0xc2);
  });
});

/** A good packet in state Up, to be spoiled. */
function valid(spoil: (bytes: Buffer) => void = () => {}, length = 24): Buffer {
  const bytes = Buffer.alloc(length);
  Buffer.from("20c00318000000010000000200000bb800000bb800000000", "hex").copy(bytes);
  spoil(bytes);
  return bytes;
}

const REJECTIONS: readonly [string, Buffer, BfdPacketProblem][] = [
  ["no byte at all", Buffer.alloc(0), "truncated"],
  ["one byte", Buffer.from([0x20]), "truncated"],
  ["23 bytes", valid().subarray(0, 23), "truncated"],
  ["version 0", valid((bytes) => bytes.writeUInt8(0x00, 0)), "version"],
  ["version 2", valid((bytes) => bytes.writeUInt8(0x40, 0)), "version"],
  ["version 7", valid((bytes) => bytes.writeUInt8(0xe0, 0)), "version"],
  ["version 0 in a stub", Buffer.from([0x00]), "version"],
  ["Length 0", valid((bytes) => bytes.writeUInt8(0, 3)), "length-too-small"],
  ["Length 23", valid((bytes) => bytes.writeUInt8(23, 3)), "length-too-small"],
  ["Length 24 with A", valid((bytes) => bytes.writeUInt8(0xc4, 1)), "length-too-small"],
  ["Length 25 with A", valid((bytes) => bytes.set([0xc4, 3, 25], 1), 26), "length-too-small"],
  ["Length 25 in 24 bytes", valid((bytes) => bytes.writeUInt8(25, 3)), "length-beyond-payload"],
  ["Length 26 with A in 25 bytes", valid((bytes) => bytes.set([0xc4, 3, 26], 1), 25), "length-beyond-payload"],
  ["Length 255", valid((bytes) => bytes.writeUInt8(255, 3), 254), "length-beyond-payload"],
  ["Detect Mult 0", valid((bytes) => bytes.writeUInt8(0, 2)), "detect-mult-zero"],
  ["Multipoint", valid((bytes) => bytes.writeUInt8(0xc1, 1)), "multipoint"],
  ["My Discriminator 0", valid((bytes) => bytes.writeUInt32BE(0, 4)), "my-discriminator-zero"],
  [
    "Your Discriminator 0 in Init",
    valid((bytes) => bytes.set([0x80, 3, 24, 0, 0, 0, 1, 0, 0, 0, 0], 1)),
    "your-discriminator-zero",
  ],
  ["Your Discriminator 0 in Up", valid((bytes) => bytes.writeUInt32BE(0, 8)), "your-discriminator-zero"],
];

describe("RFC 5880 6.8.6 without a session", () => {
  test.each(REJECTIONS)("%s", (_name, bytes, problem) => {
    expect(decodeBfdPacket(bytes)).toMatchObject({ ok: false, reason: problem });
  });

  test.each(["admin-down", "down"] as const)("Your Discriminator may be 0 in %s", (state) => {
    const bytes = valid((packet) => packet.writeUInt32BE(0, 8));
    bytes[1] = BFD_STATES.indexOf(state) << 6;
    expect(decodeBfdPacket(bytes).ok).toBe(true);
  });

  test("bytes behind Length are left alone", () => {
    expect(expectAccepted(decodeBfdPacket(valid(() => {}, 60))).lengthBytes).toBe(24);
  });
});

test("decode gives back what encode was given", () => {
  fc.assert(
    fc.property(arbitraryPacket, (packet) => {
      const decoded = expectAccepted(decodeBfdPacket(encodeBfdPacket(packet)));
      expect(decoded).toEqual({ ...packet, authenticated: false, lengthBytes: 24 });
    }),
  );
});

test("no bytes make the decoder throw, and what it accepts encodes to the same packet", () => {
  const random = seededRandom(5880);
  let accepted = 0;
  for (let round = 0; round < 200_000; round++) {
    const bytes = valid(() => {}, 24 + random.below(30));
    for (let flips = random.below(6); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256);
    const outcome = decodeBfdPacket(
      bytes.subarray(0, random.below(8) === 0 ? random.below(bytes.length + 1) : undefined),
    );
    if (!outcome.ok) continue;
    accepted++;
    const again = encodeBfdPacket(outcome.value);
    if (again[0] !== bytes[0] || again[2] !== bytes[2] || !again.subarray(4).equals(bytes.subarray(4, 24))) {
      expect.unreachable(`not the same packet: ${bytes.toString("hex")}`);
    }
  }
  expect(accepted).toBeGreaterThan(10_000);
});

test("diagnostics have words, and codes without one say so", () => {
  expect(diagnosticName(3)).toBe("neighbor-signaled-down");
  expect(diagnosticName(31)).toBe("reserved-31");
  expect(diagnosticCode("administratively-down")).toBe(7);
});
