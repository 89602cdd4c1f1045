import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { decodeRecords } from "@paddock/wire/record.ts";
import { PROOF_HEADERS_MAX } from "@paddock/wire/limits.ts";
import { encodeProof } from "@paddock/wire/proof.ts";
import { chainTitle, hexOf } from "../chain-name.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import type { Receipts } from "../ingest/receipts.ts";
import type { Ledger } from "../ledger.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";

export type ProofProblem =
  /** Nothing is at that offset of the log. */
  | "no-record"
  /** The batch was given up by its gateway: its header proves that it was there, not what was in it. */
  | "evicted"
  /** A batch before it has not arrived, so no receipt's head covers it. */
  | "not-linked"
  /** The gateway's public key is not known any more. */
  | "no-key"
  /** More headers up to the head than one proof may carry. */
  | "too-long";

export interface ProofSources {
  readonly ledger: Pick<Ledger, "readLog" | "chain" | "readHeaders" | "logEnd">;
  readonly registry: Pick<GatewayRegistry, "get">;
  readonly receipts: Pick<Receipts, "current">;
  readonly identity: SigningIdentity;
}

const HEADERS_PER_READ = 1024;

/** A proof file (docs/protocol.md §4) for the record at a log offset: from its header to the head of the receipt. */
export async function buildProof(sources: ProofSources, offset: number): Promise<Outcome<Buffer, ProofProblem>> {
  const [entry] = await sources.ledger.readLog(offset, { maxBatches: 1, maxBytes: 1 });
  if (entry === undefined || offset < entry.offset || offset >= entry.offset + entry.count) {
    return refuse("no-record", `No record is at offset ${offset}; the log ends at ${sources.ledger.logEnd()}.`);
  }
  const { chain, seq, payload } = entry;
  const where = `batch ${seq} of ${chainTitle(chain)}`;
  const index = offset - entry.offset;
  const records = payload === null ? undefined : decodeRecords(payload);
  if (payload === null || records === undefined || !records.ok || records.value[index] === undefined) {
    return refuse("evicted", `The payload of ${where} was given up by its gateway; only its header can be shown.`);
  }
  const summary = sources.ledger.chain(chain);
  if (summary === undefined || seq >= summary.linked) {
    const first = summary?.linked ?? 0;
    return refuse(
      "not-linked",
      `For ${where}, batch ${first} is missing first; try again when \`gaps\` shows none before it.`,
    );
  }
  if (summary.linked - seq > PROOF_HEADERS_MAX) {
    return refuse(
      "too-long",
      `${where} is ${summary.linked - seq} batches before the head; at most ${PROOF_HEADERS_MAX} fit a proof.`,
    );
  }
  const gateway = sources.registry.get(hexOf(chain.gateway));
  if (gateway === undefined) return refuse("no-key", `The public key of gateway ${hexOf(chain.gateway)} is not known.`);
  // The receipt first: the headers read afterwards reach at least as far as its head.
  const receipt = sources.receipts.current(chain, summary);
  const headers: Uint8Array[] = [];
  for (let first = seq; first < summary.linked; first += HEADERS_PER_READ) {
    const last = Math.min(first + HEADERS_PER_READ, summary.linked) - 1;
    for (const { header } of await sources.ledger.readHeaders(chain, first, last)) headers.push(header);
  }
  if (headers.length !== summary.linked - seq) {
    return refuse("not-linked", `Headers between ${where} and the head were trimmed from this ledger.`);
  }
  const gatewayKey = Buffer.from(gateway.publicKey, "hex");
  const collectorKey = sources.identity.publicKeyRaw;
  return accept(encodeProof({ gatewayKey, collectorKey, headers, payload, index, receipt }));
}
