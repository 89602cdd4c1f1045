import { open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";
import { sha256 } from "@paddock/wire/batch-header.ts";
import { CborReader } from "@paddock/wire/cbor-read.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import { CHAIN_KEY_BYTES, chainBytes, chainOfBytes } from "./keyspace.ts";
import type { ChainId } from "./types.ts";

/** What a witness outside the database knows of its end. */
export interface Testimony {
  /** Of the chains that were going on: the last seq that was on disk. */
  readonly heads: readonly { readonly chain: ChainId; readonly seq: number }[];
  /** Offset behind the last record of the arrival log that was on disk. */
  readonly logEnd: number;
  /** After a close: what the database's directory was left like (`listing`). */
  readonly left: Uint8Array | undefined;
}

/** Chains of which the last seq is noted: the lanes of one gateway, with room to spare. */
export const HEADS_MAX = 48;
/** Two slots that are written in turn: a write that is cut leaves the other one. */
const SLOT_BYTES = 4096;

/**
 * A small synced file beside the database. LevelDB cannot see that its own log lost its end; what this file says it was
 * then shows it. It may be behind the database by a second, never ahead.
 */
export class WitnessFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #turn = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What the newest good slot says, or undefined when there is none. */
  async read(): Promise<Testimony | undefined> {
    const file = await open(this.#path, "r").catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2 * SLOT_BYTES), 0, 2 * SLOT_BYTES, 0);
      let newest: { turn: number; testimony: Testimony } | undefined;
      for (const start of [0, SLOT_BYTES]) {
        const found = decodeSlot(buffer.subarray(start, Math.min(bytesRead, start + SLOT_BYTES)));
        if (found !== undefined && found.turn > (newest?.turn ?? -1)) newest = found;
      }
      this.#turn = newest === undefined ? 0 : newest.turn + 1;
      return newest?.testimony;
    } finally {
      await file.close();
    }
  }

  /** Writes and syncs. One at a time. */
  async write(testimony: Testimony): Promise<void> {
    this.#file ??= await this.#create();
    const slot = encodeSlot(this.#turn, testimony);
    await this.#file.write(slot, 0, slot.length, (this.#turn % 2) * SLOT_BYTES);
    await this.#file.datasync();
    this.#turn++;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #create(): Promise<FileHandle> {
    const known = await open(this.#path, "r+").catch(() => undefined);
    if (known !== undefined) return known;
    const file = await open(this.#path, "wx+", 0o600);
    await syncDirectory(dirname(this.#path));
    return file;
  }
}

function encodeSlot(turn: number, { heads, logEnd, left }: Testimony): Buffer {
  const writer = new CborWriter(SLOT_BYTES).array(4).int(turn).int(logEnd);
  if (left === undefined) writer.null();
  else writer.bytes(left);
  writer.array(Math.min(heads.length, HEADS_MAX));
  for (const { chain, seq } of heads.slice(0, HEADS_MAX)) writer.array(2).bytes(chainBytes(chain)).int(seq);
  const body = writer.finish();
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.writeUInt16BE(body.length, HASH_BYTES);
  slot.set(body, HASH_BYTES + 2);
  slot.set(sha256(slot.subarray(HASH_BYTES)), 0);
  return slot;
}

function decodeSlot(slot: Buffer): { readonly turn: number; readonly testimony: Testimony } | undefined {
  if (slot.length < SLOT_BYTES || !sha256(slot.subarray(HASH_BYTES)).equals(slot.subarray(0, HASH_BYTES))) {
    return undefined;
  }
  const start = HASH_BYTES + 2;
  const reader = new CborReader(slot.subarray(start, start + slot.readUInt16BE(HASH_BYTES)));
  reader.array("witness", 4);
  const turn = reader.uint("turn");
  const logEnd = reader.uint("log end");
  const left = reader.takeNull() ? undefined : Uint8Array.from(reader.bytes("left", HASH_BYTES));
  const heads: { chain: ChainId; seq: number }[] = [];
  const count = reader.array("heads", 0, HEADS_MAX);
  for (let index = 0; index < count && reader.problem === undefined; index++) {
    reader.array("head", 2);
    const chain = chainOfBytes(reader.bytes("chain", CHAIN_KEY_BYTES));
    heads.push({ chain, seq: reader.uint("seq") });
  }
  reader.end("witness");
  return reader.problem === undefined ? { turn, testimony: { heads, logEnd, left } } : undefined;
}
