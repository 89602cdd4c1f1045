import { PaddockError } from "@paddock/base/errors.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";

/**
 * Refuses to start with an identity other than the one whose chains are stored: a lost key file must be noticed, not
 * papered over with a second identity. Throws IDENTITY_MISMATCH.
 */
export function assertStoreIsOurs(
  identity: SigningIdentity,
  storedGateways: Iterable<Uint8Array>,
  dataDir: string,
): void {
  for (const gateway of storedGateways) {
    if (Buffer.from(gateway).equals(identity.id)) continue;
    throw new PaddockError(
      "IDENTITY_MISMATCH",
      `The store in ${dataDir} holds chains of gateway ${Buffer.from(gateway).toString("hex")}, the key is that of ` +
        `${Buffer.from(identity.id).toString("hex")}.`,
    );
  }
}
