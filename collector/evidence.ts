import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { laneName, type LaneName } from "@paddock/wire/lanes.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { hexOf } from "./chain-name.ts";
import { syncDirectory } from "@paddock/base/durable-file.ts";

/** `fork`: two signed headers at one place. `link`: a signed header that does not follow its neighbour. */
export type EvidenceKind = "fork" | "link";

/** What evidence says about itself: `description.json` in its directory. */
export interface EvidenceDescription {
  readonly kind: EvidenceKind;
  readonly gateway: string;
  readonly lane: LaneName;
  readonly epoch: number;
  readonly seq: number;
  readonly detail: string;
  /** SHA-256 of the two headers, hex. */
  readonly storedHash: string;
  readonly offeredHash: string;
  /** Unix ms. */
  readonly found: number;
}

export interface EvidenceParts {
  readonly kind: EvidenceKind;
  readonly chain: ChainId;
  readonly seq: number;
  readonly detail: string;
  readonly stored: EncodedBatch;
  readonly offered: EncodedBatch;
}

/** Kept per gateway; one that forks on and on is shown by what is there. */
const KEPT_PER_GATEWAY = 128;

/**
 * Forks and wrong links, kept for an investigation: one directory each, with both headers (COSE_Sign1) and the payloads
 * that are known. Finding the same again adds nothing.
 */
export class EvidenceRoom {
  readonly #directory: string;
  readonly #known = new Map<string, EvidenceDescription>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<EvidenceRoom> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const room = new EvidenceRoom(directory);
    for (const name of await readdir(directory)) {
      if (name.endsWith(".new")) await rm(join(directory, name), { recursive: true, force: true });
      else room.#known.set(name, await readDescription(join(directory, name)));
    }
    return room;
  }

  all(): EvidenceDescription[] {
    return [...this.#known.values()];
  }

  of(gateway: string): EvidenceDescription[] {
    return this.all().filter((item) => item.gateway === gateway);
  }

  /** Keeps it durably. Whether it is new: false for one that is known or when the gateway has its fill. */
  async keep(parts: EvidenceParts, nowMs: number): Promise<boolean> {
    const description = describe(parts, nowMs);
    const name = nameOf(description);
    if (this.#known.has(name) || this.of(description.gateway).length >= KEPT_PER_GATEWAY) return false;
    this.#known.set(name, description);
    try {
      await this.#write(name, parts, description);
    } catch (error) {
      this.#known.delete(name);
      throw error;
    }
    return true;
  }

  async #write(name: string, parts: EvidenceParts, description: EvidenceDescription): Promise<void> {
    const building = join(this.#directory, `${name}.new`);
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { mode: 0o700 });
    const put = (file: string, content: string | Uint8Array) =>
      writeFile(join(building, file), content, { flush: true, mode: 0o600 });
    await put("description.json", `${JSON.stringify(description, null, 2)}\n`);
    for (const side of ["stored", "offered"] as const) {
      await put(`${side}-header.cose`, parts[side].header);
      const { payload } = parts[side];
      if (payload !== null) await put(`${side}-payload.cborseq`, payload);
    }
    await syncDirectory(building);
    await rename(building, join(this.#directory, name));
    await syncDirectory(this.#directory);
  }
}

function describe(parts: EvidenceParts, found: number): EvidenceDescription {
  return {
    kind: parts.kind,
    gateway: hexOf(parts.chain.gateway),
    lane: laneName(parts.chain.lane),
    epoch: parts.chain.epoch,
    seq: parts.seq,
    detail: parts.detail,
    storedHash: hash(parts.stored.header),
    offeredHash: hash(parts.offered.header),
    found,
  };
}

function nameOf(item: EvidenceDescription): string {
  const place = `${item.gateway.slice(0, 16)}-${item.lane}-${item.epoch}-${item.seq}`;
  return `${item.kind}-${place}-${hash(Buffer.from(item.storedHash + item.offeredHash)).slice(0, 16)}`;
}

async function readDescription(directory: string): Promise<EvidenceDescription> {
  return JSON.parse(await readFile(join(directory, "description.json"), "utf8")) as EvidenceDescription;
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
