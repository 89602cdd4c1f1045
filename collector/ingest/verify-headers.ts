import { verify, type KeyObject } from "node:crypto";
import { verifyHeader } from "@paddock/wire/batch-header.ts";
import { decodeSign1, signatureInput } from "@paddock/wire/cose-sign.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";

/** So many are verified where they stand: a turn in the thread pool costs twice what a verification does. */
const AT_ONCE_MAX = 2;
/** Verifications in the thread pool at a time, for all uploads together: LevelDB syncs in the same four threads. */
const IN_POOL_MAX = 2;

let inPool = 0;
const waiting: (() => void)[] = [];

/** Index of a header that `key` did not sign, or undefined. Nothing behind the first bad one is begun. */
export async function badSignature(headers: readonly Uint8Array[], key: KeyObject): Promise<number | undefined> {
  const here = headers.slice(0, AT_ONCE_MAX).findIndex((header) => !verifyHeader(header, key));
  if (here >= 0) return here;
  let next = AT_ONCE_MAX;
  let bad: number | undefined;
  const verifyRest = async (): Promise<void> => {
    while (next < headers.length && bad === undefined) {
      const index = next++;
      if (!(await verifyInPool(headers[index]!, key))) bad = Math.min(index, bad ?? index);
    }
  };
  await Promise.all(Array.from({ length: IN_POOL_MAX }, verifyRest));
  return bad;
}

/** As `verifyHeader` of wire, off the main thread. */
async function verifyInPool(header: Uint8Array, key: KeyObject): Promise<boolean> {
  const parts = decodeSign1(header, HASH_BYTES);
  if (!parts.ok) return false;
  const { protectedBytes, payload, signature } = parts.value;
  if (inPool >= IN_POOL_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
  else inPool++;
  try {
    return await new Promise((resolve) => {
      verify(null, signatureInput(protectedBytes, payload), key, signature, (error, good) => {
        resolve(error === null && good);
      });
    });
  } finally {
    // The place goes to the next in line, or is free.
    const resume = waiting.shift();
    if (resume === undefined) inPool--;
    else resume();
  }
}
