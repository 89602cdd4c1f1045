import { describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { type BfdPacket, decodeBfdPacket, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { reflect, type Reflector } from "./reflect.ts";

const REFLECTOR: Reflector = { discriminators: new Set([900]), requiredMinRxUs: 10_000, disabled: false };
const QUESTION: BfdPacket = {
  diagnostic: 1,
  state: "down",
  poll: true,
  final: false,
  controlPlaneIndependent: false,
  demand: true,
  detectMult: 3,
  myDiscriminator: 42,
  yourDiscriminator: 900,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
};

describe("RFC 7880 reflector", () => {
  test("answers Up with the discriminators exchanged", () => {
    const bytes = encodeBfdPacket(QUESTION);
    expect(reflect(bytes, REFLECTOR)).toBeUndefined();
    expect(expectAccepted(decodeBfdPacket(bytes))).toMatchObject({
      diagnostic: 0,
      state: "up",
      poll: false,
      final: true,
      demand: false,
      myDiscriminator: 900,
      yourDiscriminator: 42,
      desiredMinTxUs: 50_000,
      requiredMinRxUs: 10_000,
    });
  });

  test("switched off it answers AdminDown", () => {
    const bytes = encodeBfdPacket({ ...QUESTION, poll: false });
    expect(reflect(bytes, { ...REFLECTOR, disabled: true })).toBeUndefined();
    expect(expectAccepted(decodeBfdPacket(bytes))).toMatchObject({ state: "admin-down", diagnostic: 7, final: false });
  });

  test("an answer is never answered", () => {
    const bytes = encodeBfdPacket({ ...QUESTION, myDiscriminator: 900 });
    expect(reflect(bytes, REFLECTOR)).toBeUndefined();
    expect(reflect(bytes, REFLECTOR)).toBe("not-demand");
  });

  test("what is refused stays as it was", () => {
    const refused: [Partial<BfdPacket>, string][] = [
      [{ yourDiscriminator: 901 }, "unknown-discriminator"],
      [{ demand: false }, "not-demand"],
      [{ detectMult: 0 }, "malformed"],
      [{ myDiscriminator: 0 }, "malformed"],
    ];
    for (const [change, problem] of refused) {
      const bytes = encodeBfdPacket({ ...QUESTION, ...change });
      const before = bytes.toString("hex");
      expect(reflect(bytes, REFLECTOR)).toBe(problem);
      expect(bytes.toString("hex")).toBe(before);
    }
  });

  test("no bytes make it throw or answer with something that is not a packet", () => {
    const random = seededRandom(7784);
    let answered = 0;
    for (let round = 0; round < 100_000; round++) {
      const bytes = encodeBfdPacket(QUESTION).subarray(0, random.below(10) === 0 ? random.below(25) : 24);
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      if (reflect(bytes, REFLECTOR) !== undefined) continue;
      answered++;
      const answer = expectAccepted(decodeBfdPacket(bytes));
      if (answer.state !== "up" || answer.demand) expect.unreachable(bytes.toString("hex"));
    }
    expect(answered).toBeGreaterThan(10_000);
  });
});
