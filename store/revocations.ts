import { contains, type Ranges } from "@paddock/base/ranges.ts";
import { CborReader } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import type { StoredLogEntry } from "./arrival-log.ts";
import { readStateRanges, writeRanges } from "./chain-state.ts";
import { chainBytes, chainName, KEY_SPACES, spaceKey } from "./keyspace.ts";
import type { ChainId } from "./types.ts";
import type { WriteGroup } from "./write-group.ts";

/** Log entries before this offset that name one of these seqs point at a batch that was rolled back. */
interface Revocation {
  readonly before: number;
  readonly seqs: Ranges;
}

/**
 * Which entries of the arrival log a roll-back took the batches from. One small entry for each roll-back says so, however
 * deep in the log they lie; when such a batch arrives again it gets an entry of its own, and the old one stays void.
 */
export class Revocations {
  readonly #byChain = new Map<string, readonly Revocation[]>();

  get empty(): boolean {
    return this.#byChain.size === 0;
  }

  covers({ chain, seq, offset }: StoredLogEntry): boolean {
    if (this.empty) return false;
    const found = this.#byChain.get(chainName(chain)) ?? [];
    return found.some(({ before, seqs }) => offset < before && contains(seqs, seq));
  }

  /** Makes it part of the write that rolls back. */
  add(group: WriteGroup, chain: ChainId, revocation: Revocation): void {
    const name = chainName(chain);
    const all = [...(this.#byChain.get(name) ?? []), revocation];
    this.#byChain.set(name, all);
    const writer = new CborWriter(64).array(all.length);
    for (const { before, seqs } of all) writeRanges(writer.array(2).int(before), seqs);
    group.put(spaceKey(KEY_SPACES.revoked, chainBytes(chain)), writer.finish());
  }

  /** Takes over what was found on disk; returns what is wrong with it, if anything. */
  restore(chain: ChainId, value: Uint8Array): string | undefined {
    const reader = new CborReader(value);
    const count = reader.array("revocations", 0, 1 << 16);
    const all: Revocation[] = [];
    for (let index = 0; index < count && reader.problem === undefined; index++) {
      reader.array("revocation", 2);
      all.push({ before: reader.uint("before"), seqs: readStateRanges(reader, "seqs") });
    }
    reader.end("revocations");
    if (reader.problem === undefined) this.#byChain.set(chainName(chain), all);
    return reader.problem;
  }
}
