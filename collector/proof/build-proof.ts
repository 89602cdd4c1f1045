import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { ChainId, ChainSummary } from "@paddock/store/types.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import { checkBatch } from "@paddock/wire/batch.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { encodeProof } from "@paddock/wire/proof.ts";
import { openReceipt } from "@paddock/wire/receipt.ts";
import { decodeRecords } from "@paddock/wire/record.ts";
import { chainTitle, hexOf } from "../chain-name.ts";
import type { Ledger } from "../ledger.ts";
import type { Gateway, GatewayRegistry } from "../registry/gateway-registry.ts";
import { KEPT_EVERY, type KeptReceipts } from "./kept-receipts.ts";
import { soundRun } from "./sound-headers.ts";

export type ProofProblem =
  /** Nothing is at that offset of the log. */
  | "no-record"
  /** The batch was given up by its gateway: its header proves that it was there, not what was in it. */
  | "evicted"
  /** The batch is here, and is not what its gateway signed any more: this collector's disk changed it. */
  | "damaged"
  /** A batch before it has not arrived, so no receipt covers it. */
  | "not-linked"
  /** The gateway's public key is not known any more. */
  | "no-key";

export interface ProofSources {
  readonly ledger: Pick<Ledger, "readLog" | "chain" | "readHeaders" | "logEnd">;
  readonly registry: Pick<GatewayRegistry, "get">;
  readonly keptReceipts: Pick<KeptReceipts, "at" | "sign">;
  readonly identity: SigningIdentity;
}

/**
 * A proof file (docs/protocol.md §4) for the record at a log offset: from its header to the head of the next kept
 * receipt. Where that one is missing, or a header before it is damaged, a receipt is signed for the batches up to the
 * last header that can be shown. Nothing goes into a proof unchecked.
 */
export async function buildProof(sources: ProofSources, offset: number): Promise<Outcome<Buffer, ProofProblem>> {
  const read = await sources.ledger.readLog(offset, { maxBatches: 1, maxBytes: 1 });
  const entry = read.ok ? read.value[0] : undefined;
  if (entry?.lost !== undefined) {
    return entry.lost === "rolled-back"
      ? refuse(
          "no-record",
          `What stood at offset ${offset} was taken back after damage; if it came again, it is further on.`,
        )
      : refuseDamaged(`The record at offset ${offset}`);
  }
  if (entry === undefined || offset < entry.offset || offset >= entry.offset + entry.count) {
    return refuse("no-record", `No record is at offset ${offset}; the log ends at ${sources.ledger.logEnd()}.`);
  }
  const { chain, seq, payload } = entry;
  const where = `batch ${seq} of ${chainTitle(chain)}`;
  if (entry.damaged === true) return refuseDamaged(where);
  if (payload === null) {
    return refuse("evicted", `The payload of ${where} was given up by its gateway; only its header can be shown.`);
  }
  const index = offset - entry.offset;
  if (!holds(entry.header, payload, index)) return refuseDamaged(where);
  const summary = sources.ledger.chain(chain);
  if (summary === undefined || seq >= summary.linked) {
    const first = summary?.linked ?? 0;
    return refuse(
      "not-linked",
      `For ${where}, batch ${first} is missing first; try again when \`gaps\` shows none before it.`,
    );
  }
  const gateway = sources.registry.get(hexOf(chain.gateway));
  if (gateway === undefined) return refuse("no-key", `The public key of gateway ${hexOf(chain.gateway)} is not known.`);
  const headers = await headersFrom(sources, summary, seq, gateway);
  if (headers.length === 0) return refuseDamaged(where);
  const receipt = await receiptFor(sources, summary, seq + headers.length, headers.at(-1)!);
  const gatewayKey = Buffer.from(gateway.publicKey, "hex");
  const collectorKey = sources.identity.publicKeyRaw;
  return accept(encodeProof({ gatewayKey, collectorKey, headers, payload, index, receipt }));
}

function holds(header: Uint8Array, payload: Uint8Array, index: number): boolean {
  if (!checkBatch({ header, payload }).ok) return false;
  const records = decodeRecords(payload);
  return records.ok && records.value[index] !== undefined;
}

function refuseDamaged(where: string): Outcome<never, "damaged"> {
  return refuse(
    "damaged",
    `${where} is damaged in this ledger: it is not what its gateway signed. Run \`paddock collector ledger verify\`.`,
  );
}

/** Sound headers from `first` on, without a gap, up to the next kept receipt or the end of what is linked. */
async function headersFrom(
  { ledger }: ProofSources,
  { id, linked }: ChainSummary,
  first: number,
  gateway: Gateway,
): Promise<Uint8Array[]> {
  const last = Math.min(nextKept(first), linked) - 1;
  const stored = await ledger.readHeaders(id, first, last);
  return stored.slice(0, soundRun(stored, id, first, gateway.key)).map(({ header }) => header);
}

/** How many linked batches the next kept receipt names that covers batch `seq`. */
function nextKept(seq: number): number {
  return (Math.floor(seq / KEPT_EVERY) + 1) * KEPT_EVERY;
}

async function receiptFor(
  { keptReceipts, identity }: ProofSources,
  summary: ChainSummary,
  linked: number,
  lastHeader: Uint8Array,
): Promise<Uint8Array> {
  const head = headerHash(lastHeader);
  const kept = linked % KEPT_EVERY === 0 ? await keptReceipts.at(summary.id, linked) : undefined;
  return kept !== undefined && says(kept, identity, summary.id, linked, head)
    ? kept
    : keptReceipts.sign(summary, linked, head);
}

/** Whether a receipt from disk is this collector's and names this head: one by an earlier key is signed anew. */
function says(
  encoded: Uint8Array,
  identity: SigningIdentity,
  chain: ChainId,
  linked: number,
  head: Uint8Array,
): boolean {
  const receipt = openReceipt(encoded, identity.publicKey);
  if (!receipt.ok || receipt.value.head === null) return false;
  const { gateway, lane, epoch } = receipt.value;
  return (
    Buffer.compare(gateway, chain.gateway) === 0 &&
    lane === chain.lane &&
    epoch === chain.epoch &&
    receipt.value.linked === linked &&
    Buffer.compare(receipt.value.head, head) === 0
  );
}
