import { intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { CborReader } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import { readStateRanges, writeRanges } from "./chain-state.ts";
import { chainBytes, chainName, chainOfBytes, CHAIN_KEY_BYTES, KEY_SPACES, spaceKey } from "./keyspace.ts";
import type { ChainId, Duty, EpochDuty, LossDuty } from "./types.ts";
import type { WriteGroup } from "./write-group.ts";

const KINDS = ["epoch", "loss"] as const;

/** The duties of a store: in memory as on disk, at most one of each kind for a chain. */
export class DutyBook {
  readonly #duties = new Map<string, Duty>();

  all(): readonly Duty[] {
    return [...this.#duties.values()];
  }

  loss(chain: ChainId): LossDuty | undefined {
    return this.#duties.get(nameOf("loss", chain)) as LossDuty | undefined;
  }

  epoch(chain: ChainId): EpochDuty | undefined {
    return this.#duties.get(nameOf("epoch", chain)) as EpochDuty | undefined;
  }

  /** Takes over what was found on disk. */
  restore(duty: Duty): void {
    this.#duties.set(nameOf(duty.kind, duty.chain), duty);
  }

  /** Makes a duty part of the write that repairs; with one that stands already it becomes one. */
  add(group: WriteGroup, duty: Duty): void {
    const name = nameOf(duty.kind, duty.chain);
    const before = this.#duties.get(name);
    this.#put(group, before === undefined ? duty : merged(before, duty));
  }

  /** Makes it part of the write that these payloads are told of as lost, or are here again. */
  settleLoss(group: WriteGroup, chain: ChainId, seqs: Ranges, records: number, bytes: number): void {
    const duty = this.loss(chain);
    if (duty === undefined) return;
    const left = subtract(duty.seqs, seqs);
    if (left.length === 0) return this.#remove(group, duty);
    if (intersect(duty.seqs, seqs).length === 0) return;
    this.#put(group, {
      ...duty,
      seqs: left,
      records: Math.max(0, duty.records - records),
      bytes: Math.max(0, duty.bytes - bytes),
    });
  }

  /** Makes it part of the write that a chain of a later epoch has begun: nothing goes on that must not. */
  settleEpochs(group: WriteGroup, { gateway, lane, epoch }: ChainId): void {
    for (const duty of this.all()) {
      const { chain } = duty;
      if (duty.kind !== "epoch" || chain.lane !== lane || chain.epoch >= epoch) continue;
      if (Buffer.compare(chain.gateway, gateway) === 0) this.#remove(group, duty);
    }
  }

  #put(group: WriteGroup, duty: Duty): void {
    group.put(dutyKey(duty.kind, duty.chain), encodeDuty(duty));
    this.#duties.set(nameOf(duty.kind, duty.chain), duty);
  }

  #remove(group: WriteGroup, duty: Duty): void {
    group.delete(dutyKey(duty.kind, duty.chain));
    this.#duties.delete(nameOf(duty.kind, duty.chain));
  }
}

function merged(before: Duty, duty: Duty): Duty {
  if (before.kind === "loss" && duty.kind === "loss") {
    const fresh = subtract(duty.seqs, before.seqs).length > 0;
    return {
      ...duty,
      seqs: union(before.seqs, duty.seqs),
      records: before.records + (fresh ? duty.records : 0),
      bytes: before.bytes + (fresh ? duty.bytes : 0),
    };
  }
  return { ...duty, seqs: union(before.seqs, duty.seqs) };
}

function nameOf(kind: Duty["kind"], chain: ChainId): string {
  return `${kind}${chainName(chain)}`;
}

function dutyKey(kind: Duty["kind"], chain: ChainId): Buffer {
  return spaceKey(KEY_SPACES.duty, Buffer.concat([chainBytes(chain), Buffer.of(KINDS.indexOf(kind))]));
}

function encodeDuty(duty: Duty): Buffer {
  const writer = new CborWriter(128).array(duty.kind === "epoch" ? 2 : 3);
  writeRanges(writer, duty.seqs);
  if (duty.kind === "loss") return writer.int(duty.records).int(duty.bytes).finish();
  if (duty.last === null) return writer.null().finish();
  return writer.array(2).int(duty.last.seq).bytes(duty.last.hash).finish();
}

/** Whose duty and of which kind an entry is, by its key. */
export function dutyOfKey(key: Uint8Array): { readonly kind: Duty["kind"]; readonly chain: ChainId } | undefined {
  const kind = KINDS[key[1 + CHAIN_KEY_BYTES] ?? -1];
  if (kind === undefined || key.length !== 1 + CHAIN_KEY_BYTES + 1) return undefined;
  return { kind, chain: chainOfBytes(key.subarray(1, 1 + CHAIN_KEY_BYTES)) };
}

/** Reads a duty back, or returns what is wrong with it. */
export function decodeDuty(kind: Duty["kind"], chain: ChainId, value: Uint8Array): Duty | string {
  const reader = new CborReader(value);
  reader.array("duty", kind === "epoch" ? 2 : 3);
  const seqs = readStateRanges(reader, "seqs");
  let duty: Duty;
  if (kind === "loss") {
    duty = { kind, chain, seqs, records: reader.uint("records"), bytes: reader.uint("bytes") };
  } else if (reader.takeNull()) {
    duty = { kind, chain, seqs, last: null };
  } else {
    reader.array("last", 2);
    const seq = reader.uint("last seq");
    duty = { kind, chain, seqs, last: { seq, hash: Uint8Array.from(reader.bytes("last hash", HASH_BYTES)) } };
  }
  reader.end("duty");
  return reader.problem ?? duty;
}
