import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import { sha256 } from "@paddock/wire/batch-header.ts";
import { loadOrCreateIdentity } from "@paddock/wire/identity-file.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { hexOf } from "./chain-name.ts";
import type { Ledger } from "./ledger.ts";

/** Where the ledger of a collector rests. */
export function ledgerDirectory(dataDir: string): string {
  return join(dataDir, "ledger");
}

/**
 * The collector's identity from its data directory; made at the first start, before there is a ledger. Throws
 * IDENTITY_UNREADABLE when the file is damaged or when its mode lets others read it, and IDENTITY_MISMATCH when it is
 * missing beside a ledger: all gateways pin the old key, and with a new one nobody would hand in again.
 */
export async function loadIdentity(dataDir: string): Promise<SigningIdentity> {
  const mayCreate = !(await hasLedger(dataDir));
  return (await loadOrCreateIdentity({ dataDir, mayCreate })).identity;
}

async function hasLedger(dataDir: string): Promise<boolean> {
  const names = await readdir(ledgerDirectory(dataDir)).catch(() => []);
  return names.some((name) => name.startsWith("generation-"));
}

/** Names the collector whose ledger it is: its id and the first bytes of the id's own hash. */
const OWNER_KEY = "collector";
const CHECK_BYTES = 8;

/**
 * Refuses a key that is not the one whose receipts the gateways hold, and notes it in a ledger that names none yet.
 * Throws IDENTITY_MISMATCH.
 */
export async function assertLedgerIsOurs(
  ledger: Pick<Ledger, "side" | "append">,
  identity: SigningIdentity,
  dataDir: string,
): Promise<void> {
  const owner = (await ledger.side(OWNER_KEY)).get(OWNER_KEY);
  const named = owner?.subarray(0, identity.id.length);
  // One that is damaged names nobody, and must keep nobody down.
  if (named === undefined || Buffer.compare(owner!, ownerEntry(named)) !== 0) {
    const chain = { gateway: identity.id, lane: 0, epoch: 0 } as const;
    await ledger.append({ chain, batches: [], side: [{ key: OWNER_KEY, value: ownerEntry(identity.id) }] });
    return;
  }
  if (Buffer.compare(named, identity.id) === 0) return;
  throw new PaddockError(
    "IDENTITY_MISMATCH",
    `The ledger in ${dataDir} is that of collector ${hexOf(named)}, the key is that of ${hexOf(identity.id)}.`,
  );
}

function ownerEntry(id: Uint8Array): Buffer {
  return Buffer.concat([id, sha256(id).subarray(0, CHECK_BYTES)]);
}
