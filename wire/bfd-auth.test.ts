import { describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import {
  BFD_AUTH_TYPES,
  type BfdAuth,
  type BfdAuthProblem,
  type BfdAuthType,
  signBfdPacket,
  verifyBfdPacket,
} from "./bfd-auth.ts";
import { type BfdPacket, decodeBfdPacket, encodeBfdPacket } from "./bfd-packet.ts";

const SECRET = Buffer.from("s3cr3t-k3y");

/** Captured from BIRD 2.0.12 with the key "s3cr3t-k3y" as id 7. */
const CAPTURED: Readonly<Record<BfdAuthType, string>> = {
  "simple-password": "20c403256f7067f8852253630000c3500000c35000000000010d077333637233742d6b3379",
  "keyed-md5": "20c4033004793c91896d82fb0000c3500000c3500000000002180700d4bb68630b73c651c216762024e45c460d530169",
  "meticulous-keyed-md5":
    "20c40330c6aac4a01fd079e10000c3500000c350000000000318070045d1922cff97e3284260bedbd739265544cd6d9b",
  "keyed-sha1":
    "20c4033469e3bd85aa75fdec0000c3500000c35000000000041c07008ef403d172afef1ac1594637ae864192e4bb0305328229d8",
  "meticulous-keyed-sha1":
    "20c403347ef7e3da0bb7c0d50000c3500000c35000000000051c0700a58fce6d79e40e404a0972a5ff75be6e33cc89c21bd79d7e",
};

function auth(type: BfdAuthType, secret: Uint8Array = SECRET, id = 7): BfdAuth {
  return { type, keys: [{ id, secret }] };
}

function verify(bytes: Uint8Array, using: BfdAuth, replay?: number) {
  const packet = expectAccepted(decodeBfdPacket(bytes));
  return verifyBfdPacket(bytes, packet.lengthBytes, packet.detectMult, using, replay);
}

const PACKET: BfdPacket = {
  diagnostic: 0,
  state: "up",
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMult: 3,
  myDiscriminator: 1,
  yourDiscriminator: 2,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
};

function signed(type: BfdAuthType, sequence: number, using = auth(type)): Buffer {
  return signBfdPacket(encodeBfdPacket(PACKET), using, sequence);
}

describe("golden packets of BIRD", () => {
  test.each(BFD_AUTH_TYPES)("%s verifies and is made again byte for byte", (type) => {
    const bytes = Buffer.from(CAPTURED[type], "hex");
    expect(verify(bytes, auth(type))).toMatchObject({ ok: true });
    const packet = expectAccepted(decodeBfdPacket(bytes));
    const sequence = type === "simple-password" ? 0 : bytes.readUInt32BE(28);
    expect(signBfdPacket(encodeBfdPacket(packet), auth(type), sequence).toString("hex")).toBe(CAPTURED[type]);
  });

  test("a password section with a reserved byte, as one implementation writes it, is refused", () => {
    const bytes = Buffer.from("20c4032100000001000000020000c3500000c35000000000010907007365637265", "hex");
    expect(verify(bytes, auth("simple-password", Buffer.from("secre")))).toMatchObject({
      ok: false,
      reason: "auth-digest",
    });
  });
});

const REJECTIONS: readonly [string, BfdAuthType, (bytes: Buffer) => Buffer, BfdAuthProblem][] = [
  ["type 0", "keyed-sha1", (bytes) => put(bytes, 24, 0), "auth-type"],
  ["type of another session", "keyed-sha1", (bytes) => put(bytes, 24, 5), "auth-type"],
  ["type unknown", "keyed-sha1", (bytes) => put(bytes, 24, 6), "auth-type"],
  ["Auth Len 0", "keyed-sha1", (bytes) => put(bytes, 25, 0), "auth-length"],
  ["Auth Len beyond the packet", "keyed-sha1", (bytes) => put(bytes, 25, 29), "auth-length"],
  ["MD5 of SHA-1 size", "keyed-md5", () => put(signed("keyed-sha1", 0), 24, 2), "auth-length"],
  ["password without a byte", "simple-password", (bytes) => put(put(bytes, 3, 27), 25, 3), "auth-length"],
  ["password with a bit changed", "simple-password", (bytes) => put(bytes, 27, 0), "auth-digest"],
  ["password cut short", "simple-password", (bytes) => put(put(bytes, 3, 36), 25, 12), "auth-digest"],
  ["password under another id", "simple-password", (bytes) => put(bytes, 26, 8), "auth-key-id"],
  ["key id unknown", "meticulous-keyed-md5", (bytes) => put(bytes, 26, 8), "auth-key-id"],
  ["digest changed", "meticulous-keyed-md5", (bytes) => put(bytes, 40, bytes[40]! ^ 1), "auth-digest"],
  ["packet changed", "meticulous-keyed-sha1", (bytes) => put(bytes, 15, bytes[15]! ^ 1), "auth-digest"],
  ["reserved byte changed", "keyed-sha1", (bytes) => put(bytes, 27, 1), "auth-digest"],
];

function put(bytes: Buffer, offset: number, value: number): Buffer {
  bytes[offset] = value;
  return bytes;
}

describe("refusals", () => {
  test.each(REJECTIONS)("%s", (_name, type, spoil, problem) => {
    expect(verify(spoil(signed(type, 100)), auth(type))).toMatchObject({ ok: false, reason: problem });
  });

  test.each(BFD_AUTH_TYPES)("%s with another secret", (type) => {
    expect(verify(signed(type, 100), auth(type, Buffer.from("s3cr3t-kex")))).toMatchObject({ reason: "auth-digest" });
  });
});

describe("sequence window, RFC 5880 6.7.3", () => {
  test.each([
    ["keyed-md5", 1000, 1000, true],
    ["keyed-md5", 1000, 1009, true],
    ["keyed-md5", 1000, 1010, false],
    ["keyed-md5", 1000, 999, false],
    ["meticulous-keyed-md5", 1000, 1000, false],
    ["meticulous-keyed-md5", 1000, 1001, true],
    ["meticulous-keyed-sha1", 1000, 1009, true],
    ["meticulous-keyed-sha1", 1000, 1010, false],
    ["keyed-sha1", 0xffff_ffff, 0xffff_ffff, true],
    ["keyed-sha1", 0xffff_ffff, 0, true],
    ["keyed-sha1", 0xffff_ffff, 8, true],
    ["keyed-sha1", 0xffff_ffff, 9, false],
    ["meticulous-keyed-sha1", 0xffff_fffc, 5, true],
    ["meticulous-keyed-sha1", 2, 0xffff_ffff, false],
  ] as const)("%s: after %i comes %i: %s", (type, last, sequence, taken) => {
    const outcome = verify(signed(type, sequence), auth(type), last);
    expect(outcome).toMatchObject(taken ? { ok: true, value: sequence } : { ok: false, reason: "auth-sequence" });
  });

  test("the first packet may carry any sequence", () => {
    expect(verify(signed("meticulous-keyed-sha1", 0xdead_beef), auth("meticulous-keyed-sha1"))).toMatchObject({
      value: 0xdead_beef,
    });
  });
});

test("keys rotate: old and new are taken, the first one signs", () => {
  const old = { id: 1, secret: Buffer.from("old") };
  const fresh = { id: 2, secret: Buffer.from("new") };
  const before: BfdAuth = { type: "keyed-sha1", keys: [old, fresh] };
  const after: BfdAuth = { type: "keyed-sha1", keys: [fresh, old] };
  expect(signed("keyed-sha1", 5, before)[26]).toBe(1);
  expect(signed("keyed-sha1", 5, after)[26]).toBe(2);
  expect(verify(signed("keyed-sha1", 5, before), after)).toMatchObject({ ok: true });
  expect(verify(signed("keyed-sha1", 5, after), before)).toMatchObject({ ok: true });
  expect(verify(signed("keyed-sha1", 5, before), { type: "keyed-sha1", keys: [fresh] })).toMatchObject({
    reason: "auth-key-id",
  });
});
