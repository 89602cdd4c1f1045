import { beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import type { Outcome } from "@paddock/base/outcome.ts";
import { testIdentity } from "@paddock/store/testing/sealer.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { signKeyProof } from "@paddock/wire/key-proof.ts";
import { KeyProofs } from "./key-proofs.ts";
import { WrongSignatures } from "./wrong-signatures.ts";

const [collector, gateway, other] = [testIdentity(1), testIdentity(2), testIdentity(3)];
const member = (identity: SigningIdentity) => ({
  id: Buffer.from(identity.id).toString("hex"),
  key: identity.publicKey,
});
const connection = {};

let clock: VirtualClock;
let proofs: KeyProofs;
beforeEach(() => {
  clock = new VirtualClock();
  proofs = new KeyProofs(collector.id, clock, new WrongSignatures(clock));
});

function sign(challenge: string, by = gateway, meantFor = collector.id): string {
  return `Paddock ${signKeyProof(by, meantFor, Buffer.from(challenge, "base64url")).toString("base64url")}`;
}

const problemOf = (outcome: Outcome<unknown>) => (outcome.ok ? undefined : outcome.reason);
const check = (authorization: string | undefined, by = gateway, over: object = connection) =>
  proofs.check(authorization, member(by), over);

test("a signature over a challenge holds for ten minutes, and a new challenge comes after five", () => {
  expect(problemOf(check(undefined))).toBe("prove-key");
  const proof = sign(proofs.challenge(member(gateway).id));
  expect(check(proof)).toEqual({ ok: true, value: undefined });
  clock.advance(299_000);
  expect(check(proof)).toEqual({ ok: true, value: undefined });
  clock.advance(2000);
  const renewal = check(proof);
  const next = sign((renewal.ok ? renewal.value : undefined)!);
  expect(check(next)).toEqual({ ok: true, value: undefined });
  expect(check(proof).ok).toBe(true);
  clock.advance(300_000);
  expect(problemOf(check(proof))).toBe("prove-key");
  expect(check(next).ok).toBe(true);
});

test("a proof is good for one gateway, one collector, and this run of it", () => {
  const challenge = proofs.challenge(member(gateway).id);
  expect(problemOf(check(sign(challenge), other))).toBe("key-proof");
  expect(problemOf(check(sign(challenge, other), other))).toBe("prove-key");
  expect(problemOf(check(sign(challenge, gateway, other.id)))).toBe("key-proof");
  const restarted = new KeyProofs(collector.id, clock, new WrongSignatures(clock));
  expect(problemOf(restarted.check(sign(challenge), member(gateway), connection))).toBe("prove-key");
  expect(check(sign(challenge)).ok).toBe(true);
});

test("a challenge that was changed, a signature by another key, and nonsense are refused", () => {
  const challenge = proofs.challenge(member(gateway).id);
  for (let at = 0; at < 22; at++) {
    const altered = Buffer.from(challenge, "base64url");
    altered[at]! ^= 1;
    expect(problemOf(check(sign(altered.toString("base64url"))))).toBe("prove-key");
  }
  expect(problemOf(check(sign("AAAA")))).toBe("prove-key");
  const forged = sign(challenge, { ...other, id: gateway.id });
  expect(problemOf(check(forged))).toBe("key-proof");
  for (const text of ["", "Paddock", "Paddock !", "Basic AAAA", `Paddock ${"A".repeat(5000)}`]) {
    expect(problemOf(check(text))).toBe("key-proof");
  }
});

test("wrong signatures are verified a hundred times in one gateway's name on a connection; all others go on", () => {
  const challenge = proofs.challenge(member(gateway).id);
  const known = sign(challenge);
  expect(check(known).ok).toBe(true);
  const forged = sign(challenge, { ...other, id: gateway.id });
  const problems = Array.from({ length: 150 }, () => problemOf(check(forged)));
  expect(problems.filter((problem) => problem === "key-proof").length).toBeLessThanOrEqual(101);
  expect(problems.at(-1)).toBe("busy");
  expect(check(known).ok).toBe(true);
  // An ingress brings them both over one connection: the liar stops neither the other one, nor this one elsewhere.
  expect(check(sign(proofs.challenge(member(other).id), other), other).ok).toBe(true);
  clock.advance(1);
  const fresh = sign(proofs.challenge(member(gateway).id));
  expect(problemOf(check(fresh))).toBe("busy");
  expect(check(fresh, gateway, {}).ok).toBe(true);
});
