import { describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { type BfdPacket, decodeBfdPacket, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { admit } from "./admission.ts";

const ANSWER: BfdPacket = {
  diagnostic: 0,
  state: "up",
  poll: false,
  final: true,
  controlPlaneIndependent: false,
  demand: false,
  detectMult: 3,
  myDiscriminator: 900,
  yourDiscriminator: 42,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 10_000,
  requiredMinEchoRxUs: 0,
};

function admitted(kind: "seamless" | "echo", change: Partial<BfdPacket>, remoteDiscriminator = 900) {
  const datagram = encodeBfdPacket({ ...ANSWER, ...change });
  const session = { kind, discriminator: 42, remoteDiscriminator, auth: undefined, replay: undefined };
  return admit(session, expectAccepted(decodeBfdPacket(datagram)), datagram);
}

describe("what a seamless initiator takes for an answer, RFC 7880", () => {
  test.each(["up", "admin-down"] as const)("%s", (state) => {
    expect(admitted("seamless", { state }).ok).toBe(true);
  });

  test.each([
    ["a question: the Demand bit tells them apart", { demand: true }],
    ["another reflector's", { myDiscriminator: 901 }],
    ["another initiator's", { yourDiscriminator: 43 }],
    ["no reflector's state", { state: "init" as const }],
  ])("not %s", (_name, change) => {
    expect(admitted("seamless", change)).toMatchObject({ ok: false, reason: "not-an-answer" });
  });
});

test("an echo takes back only what it sent itself", () => {
  expect(admitted("echo", { myDiscriminator: 42, state: "down" }, 42).ok).toBe(true);
  expect(admitted("echo", { myDiscriminator: 900, state: "down" }, 42).ok).toBe(false);
});
