import { join } from "node:path";
import { systemClock } from "@paddock/base/clock.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { decodeRecords } from "@paddock/wire/record.ts";
import { defaultKeyFile, readIdentity } from "@paddock/wire/identity-file.ts";

/** What a gateway has in its data directory. */
export interface StoredFrames {
  /** Every frame of every chain, as it was received. */
  readonly frames: readonly Uint8Array[];
  /** Batches whose hash, link or signature is wrong. */
  readonly broken: number;
  /** What the store had to mend when it was opened, of what had been confirmed. */
  readonly recovered: number;
}

/** Opens the store of a gateway that does not run, as its next start does, and reads it from end to end. */
export async function storedFrames(dataDir: string): Promise<StoredFrames> {
  const identity = await readIdentity(defaultKeyFile(dataDir));
  const store = await openStore(dataDir);
  const frames: Uint8Array[] = [];
  let broken = 0;
  for (const { id, head } of store.chains()) {
    broken += (await store.verify(id, { publicKey: identity!.publicKey })).broken;
    for (let seq = 0; seq <= head!.seq; seq++) {
      const batch = await store.readOne(id, seq);
      for (const { frame } of expectAccepted(decodeRecords(batch!.payload!))) frames.push(frame);
    }
  }
  const recovered = store.recovery.length;
  await store.close();
  return { frames, broken, recovered };
}

/** The store of a gateway that does not run. */
export function openStore(dataDir: string): Promise<ChainStore> {
  const limits = { maxBytes: 1 << 30, minFreeBytes: 0, ballastBytes: 0 };
  return ChainStore.open({ directory: join(dataDir, "store"), ...limits, arrivalLog: false, clock: systemClock });
}
