import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "@paddock/base/clock.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { verifySign1 } from "@paddock/wire/cose-sign.ts";
import { decodeKeyProof } from "@paddock/wire/key-proof.ts";
import type { Gateway } from "../registry/gateway-registry.ts";
import type { WrongSignatures } from "./wrong-signatures.ts";

export type KeyProofProblem =
  /** None was given, or its challenge is not one of ours or is too old: sign the one in the answer and ask again. */
  | "prove-key"
  /** It is malformed, meant for somebody else, or not signed by the gateway's key. */
  | "key-proof"
  /** Too many wrong signatures in this gateway's name, or of all, came over this connection. */
  | "busy";

interface Proven {
  readonly authorization: string;
  readonly untilMs: number;
}

/** How long a signature is believed. A gateway signs once in half that time. */
const LIFETIME_MS = 600_000;
/** A gateway that renews its proof may still have requests on their way under the one before. */
const KEPT_PER_GATEWAY = 2;
const EXPIRY_BYTES = 6;
const SEAL_BYTES = 16;

/**
 * Lets nobody hand in anything who has not shown that it has the gateway's key: one signature over a challenge of ours in
 * ten minutes, and a comparison of strings for each request. docs/decisions/0024-proof-of-key-before-a-body.md.
 */
export class KeyProofs {
  readonly #collector: Uint8Array;
  readonly #clock: Clock;
  readonly #secret = randomBytes(32);
  /**
   * By gateway id, each with its newest first. In order of their newest proofs, so that those which are over are found at
   * the beginning: gateways that wait for a yes come and go.
   */
  readonly #proven = new Map<string, readonly Proven[]>();
  readonly #wrong: WrongSignatures;

  /** `collector`: its id. */
  constructor(collector: Uint8Array, clock: Clock, wrong: WrongSignatures) {
    this.#collector = collector;
    this.#clock = clock;
    this.#wrong = wrong;
  }

  /** What a gateway has to sign. Nothing is kept for it, so anybody may have one. */
  challenge(gateway: string): string {
    const expiry = Buffer.alloc(EXPIRY_BYTES);
    expiry.writeUIntBE(Math.ceil(this.#nowMs() + LIFETIME_MS), 0, EXPIRY_BYTES);
    return Buffer.concat([expiry, this.#seal(gateway, expiry)]).toString("base64url");
  }

  /**
   * Whether the value of an authorization header proves the key of `gateway`. When it does, the result is a new challenge
   * once half of its time is over.
   */
  check(
    authorization: string | undefined,
    gateway: Pick<Gateway, "id" | "key">,
    connection: object,
  ): Outcome<string | undefined, KeyProofProblem> {
    if (authorization === undefined) return refuse("prove-key", "Sign the challenge with the gateway's key first.");
    const nowMs = this.#nowMs();
    const current = (this.#proven.get(gateway.id) ?? []).filter(({ untilMs }) => untilMs > nowMs);
    const known = current.find((proven) => proven.authorization === authorization);
    if (known !== undefined) {
      return accept(known.untilMs - nowMs < LIFETIME_MS / 2 ? this.challenge(gateway.id) : undefined);
    }
    const untilMs = this.#verify(authorization, gateway, connection);
    if (!untilMs.ok) return untilMs;
    const kept = [{ authorization, untilMs: untilMs.value }, ...current].slice(0, KEPT_PER_GATEWAY);
    this.#proven.delete(gateway.id);
    this.#proven.set(gateway.id, kept);
    this.#forget(nowMs);
    return accept(undefined);
  }

  /** Lets go of who has not come back for as long as a proof holds; the time is that of its challenge, so nearly in order. */
  #forget(nowMs: number): void {
    for (const [id, proofs] of this.#proven) {
      if (proofs.some(({ untilMs }) => untilMs > nowMs)) return;
      this.#proven.delete(id);
    }
  }

  /** Until when a proof that was not seen before holds. */
  #verify(
    authorization: string,
    { id, key }: Pick<Gateway, "id" | "key">,
    connection: object,
  ): Outcome<number, KeyProofProblem> {
    const token = /^paddock ([\w-]{1,600})$/iu.exec(authorization)?.[1];
    if (token === undefined) return refuse("key-proof", "The authorization is not Paddock and a proof in base64url.");
    const decoded = decodeKeyProof(Buffer.from(token, "base64url"));
    if (!decoded.ok) return refuse("key-proof", decoded.detail);
    const { gateway, collector, challenge, parts } = decoded.value;
    if (Buffer.from(gateway).toString("hex") !== id) return refuse("key-proof", "The proof is of another gateway.");
    if (Buffer.compare(collector, this.#collector) !== 0) {
      return refuse("key-proof", "The proof is meant for another collector.");
    }
    const untilMs = this.#expiryOf(id, Buffer.from(challenge));
    if (untilMs === undefined || untilMs <= this.#nowMs()) {
      return refuse("prove-key", "The challenge is not of this collector, or too old; sign the new one.");
    }
    if (!this.#wrong.mayTry(connection, id)) {
      return refuse("busy", "Too many wrong signatures of this gateway came over this connection.");
    }
    if (!verifySign1(parts, key)) {
      this.#wrong.failed(connection, id);
      return refuse("key-proof", "The proof is not signed by the gateway's key.");
    }
    return accept(untilMs);
  }

  #expiryOf(gateway: string, challenge: Buffer): number | undefined {
    if (challenge.length !== EXPIRY_BYTES + SEAL_BYTES) return undefined;
    const expiry = challenge.subarray(0, EXPIRY_BYTES);
    if (!timingSafeEqual(challenge.subarray(EXPIRY_BYTES), this.#seal(gateway, expiry))) return undefined;
    return expiry.readUIntBE(0, EXPIRY_BYTES);
  }

  #seal(gateway: string, expiry: Buffer): Buffer {
    return createHmac("sha256", this.#secret).update(gateway).update(expiry).digest().subarray(0, SEAL_BYTES);
  }

  #nowMs(): number {
    return this.#clock.monotonicUs() / 1000;
  }
}
