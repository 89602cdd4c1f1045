import type { Clock } from "@paddock/base/clock.ts";
import { intersect, union, type Range, type Ranges } from "@paddock/base/ranges.ts";
import type { ChainId, ChainSummary } from "@paddock/store/types.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { RECEIPT_RANGES_MAX } from "@paddock/wire/limits.ts";
import { signReceipt } from "@paddock/wire/receipt.ts";
import { chainText } from "../chain-name.ts";

/** What a receipt says of a chain: seqs that are held, and of these the ones without a payload. */
export interface Named {
  readonly held: Ranges;
  readonly bare: Ranges;
}

/**
 * At most `max` ranges of each kind: the first ones, and always what was just received, since the gateway waits for
 * exactly that. Nothing is named as held of which the receipt could not say as well that it is bare.
 */
export function receiptRanges(held: Ranges, bare: Ranges, justReceived: Ranges, max = RECEIPT_RANGES_MAX): Named {
  const named = boundedRanges(held, justReceived, max);
  const bareOfNamed = intersect(bare, named);
  if (bareOfNamed.length <= max) return { held: named, bare: bareOfNamed };
  const own = intersect(held, justReceived);
  const room = max - Math.max(own.length, intersect(bare, own).length);
  const firstUnsaid = bareOfNamed[Math.max(0, room)]![0];
  const before = firstUnsaid === 0 ? [] : intersect(named, [[0, firstUnsaid - 1]]);
  const cut = union(own, before.slice(0, Math.max(0, room)));
  return { held: cut, bare: intersect(bare, cut) };
}

function boundedRanges(held: Ranges, justReceived: Ranges, max: number): Ranges {
  if (held.length <= max) return held;
  const wanted = held.filter((range) => intersect([range], justReceived).length > 0).slice(-max);
  const first = held.slice(0, max - wanted.length);
  return union(first, wanted);
}

interface Signed {
  readonly state: string;
  readonly encoded: Buffer;
}

/** Chains whose receipt is remembered; with the most ranges each takes about 50 KB. */
const CACHED_MAX = 1024;

/** Signs receipts, and signs none twice: while a chain does not change, its receipt is the one signed before. */
export class Receipts {
  readonly #identity: SigningIdentity;
  readonly #clock: Clock;
  readonly #signed = new Map<string, Signed>();

  constructor(identity: SigningIdentity, clock: Clock) {
    this.#identity = identity;
    this.#clock = clock;
  }

  /** The encoded receipt for the chain as it stands; `summary` is undefined for a chain that nothing is known of. */
  current(chain: ChainId, summary: ChainSummary | undefined, justReceived: Ranges = []): Buffer {
    const all = summary === undefined ? [] : union(summary.held, summary.trimmed);
    const { held, bare } = receiptRanges(all, summary?.evicted ?? [], justReceived);
    const linked = summary?.linked ?? 0;
    const head = summary?.linkedHead ?? null;
    const key = chainText(chain);
    const state = `${linked} ${fingerprint(held)} ${fingerprint(bare)}`;
    const known = this.#signed.get(key);
    if (known?.state === state) return known.encoded;
    const received = this.#clock.wallMs();
    const named = { ...chain, held, bare, linked, head };
    const encoded = signReceipt(this.#identity, { ...named, received });
    this.#signed.delete(key);
    this.#signed.set(key, { state, encoded });
    if (this.#signed.size > CACHED_MAX) this.#signed.delete(this.#signed.keys().next().value!);
    return encoded;
  }
}

/** All bounds: two sets are the same exactly when these are. */
function fingerprint(held: Ranges): string {
  return held.map(([first, last]: Range) => `${first}-${last}`).join(",");
}
