import { partyId, type SigningIdentity } from "@paddock/wire/identity.ts";
import { signKeyProof } from "@paddock/wire/key-proof.ts";
import { CHALLENGE_BYTES_MAX } from "@paddock/wire/limits.ts";

/** Shows the collector that this gateway has its key, on every path: signs each challenge that it gives once. */
export class KeyProver {
  readonly #identity: SigningIdentity;
  readonly #collector: Uint8Array;
  #challenge: string | undefined;
  #authorization: string | undefined;

  /** `collectorKey`: raw Ed25519 key, 32 bytes. */
  constructor(identity: SigningIdentity, collectorKey: Uint8Array) {
    this.#identity = identity;
    this.#collector = partyId(collectorKey);
  }

  /** What a request has to carry; nothing before the collector gave a challenge. */
  headers(): Readonly<Record<string, string>> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** Takes the `paddock-challenge` of an answer. Whether it can be signed; one that was signed before can. */
  take(challenge: string | undefined): boolean {
    if (challenge === undefined || !/^[\w-]{1,100}$/u.test(challenge)) return false;
    if (challenge === this.#challenge) return true;
    const bytes = Buffer.from(challenge, "base64url");
    if (bytes.length === 0 || bytes.length > CHALLENGE_BYTES_MAX) return false;
    const proof = signKeyProof(this.#identity, this.#collector, bytes);
    this.#challenge = challenge;
    this.#authorization = `Paddock ${proof.toString("base64url")}`;
    return true;
  }
}
