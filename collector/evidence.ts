import { lstat, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncDirectory } from "@paddock/base/durable-file.ts";
import type { Log } from "@paddock/base/log.ts";
import type { ChainId } from "@paddock/store/types.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { hexOf } from "./chain-name.ts";
import {
  CLOSING_FILE,
  DESCRIPTION_FILE,
  describeHeaders,
  EVIDENCE_NAME,
  evidenceName,
  readClosing,
  readDescription,
  type EvidenceClosing,
  type EvidenceDescription,
  type EvidenceKind,
} from "./evidence-files.ts";
import { ownDirectory, setAside } from "./set-aside.ts";

export interface EvidenceParts {
  readonly kind: EvidenceKind;
  readonly chain: ChainId;
  readonly seq: number;
  readonly detail: string;
  readonly stored: EncodedBatch;
  readonly offered: EncodedBatch;
}

/** A piece of evidence as the fleet shows it. */
export interface Evidence extends EvidenceDescription {
  /** The name of its directory. */
  readonly id: string;
  /** Null while somebody should look into it. */
  readonly closed: EvidenceClosing | null;
}

/** Kept per gateway; one that forks on and on is shown by what is there. */
const KEPT_PER_GATEWAY = 128;

/**
 * Forks and wrong links, kept for an investigation: one directory each, with both headers (COSE_Sign1) and the payloads
 * that are known. Finding the same again adds nothing. Evidence can be closed, with a reason; it is never deleted.
 */
export class EvidenceRoom {
  readonly #directory: string;
  readonly #known = new Map<string, Evidence>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string, log: Log): Promise<EvidenceRoom> {
    await ownDirectory(directory, log);
    const room = new EvidenceRoom(directory);
    for (const name of (await readdir(directory)).toSorted()) await room.#load(name, log);
    return room;
  }

  async #load(name: string, log: Log): Promise<void> {
    const path = join(this.#directory, name);
    if (EVIDENCE_NAME.test(name.replace(/\.new$/u, "")) && name.endsWith(".new")) {
      await rm(path, { recursive: true, force: true });
    } else if (!EVIDENCE_NAME.test(name)) {
      if (!/\.damaged(-\d+)?$/u.test(name)) log.warn("stray-file", { path });
    } else if ((await lstat(path)).isDirectory()) {
      const description = await descriptionIn(path, log);
      if (description === undefined) return;
      this.#known.set(name, { ...description, id: name, closed: await closingIn(path, log) });
    } else await setAside(log, path, new Error("It is no directory."), "the other evidence");
  }

  all(): Evidence[] {
    return [...this.#known.values()];
  }

  #of(gateway: string): Evidence[] {
    return this.all().filter((item) => item.gateway === gateway);
  }

  /** Keeps it durably. Whether it is new: false for one that is known or when the gateway has its fill. */
  async keep(parts: EvidenceParts, nowMs: number): Promise<boolean> {
    const description = describe(parts, nowMs);
    const id = evidenceName(description);
    if (this.#known.has(id) || this.#of(description.gateway).length >= KEPT_PER_GATEWAY) return false;
    this.#known.set(id, { ...description, id, closed: null });
    try {
      await this.#write(id, parts, description);
    } catch (error) {
      this.#known.delete(id);
      throw error;
    }
    return true;
  }

  /** Ends the alarm for one that was looked into; it stays, with the reason. Undefined when there is none of that id. */
  async close(id: string, why: string, nowMs: number): Promise<Evidence | undefined> {
    const found = this.#known.get(id);
    if (found === undefined || found.closed !== null) return found;
    const closed = { at: nowMs, why };
    await replaceFile(join(this.#directory, id, CLOSING_FILE), `${JSON.stringify(closed)}\n`);
    const after = { ...found, closed };
    this.#known.set(id, after);
    return after;
  }

  async #write(name: string, parts: EvidenceParts, description: EvidenceDescription): Promise<void> {
    const building = join(this.#directory, `${name}.new`);
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { mode: 0o700 });
    const put = (file: string, content: string | Uint8Array) =>
      writeFile(join(building, file), content, { flush: true, mode: 0o600 });
    await put(DESCRIPTION_FILE, `${JSON.stringify(description, null, 2)}\n`);
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
    ...describeHeaders(parts.stored.header, parts.offered.header),
    found,
  };
}

/** The description, made again from the signed headers when its file is damaged: they say all but the words. */
async function descriptionIn(directory: string, log: Log): Promise<EvidenceDescription | undefined> {
  const path = join(directory, DESCRIPTION_FILE);
  const read = await readDescription(directory);
  if (!("problem" in read)) return read;
  if (read.rebuilt === undefined) {
    await setAside(log, directory, new Error(read.problem), "the other evidence");
    return undefined;
  }
  if (read.present) await setAside(log, path, new Error(read.problem), "a description made from the headers");
  await replaceFile(path, `${JSON.stringify(read.rebuilt, null, 2)}\n`);
  return read.rebuilt;
}

async function closingIn(directory: string, log: Log): Promise<EvidenceClosing | null> {
  try {
    return await readClosing(directory);
  } catch (error) {
    await setAside(log, join(directory, CLOSING_FILE), error, "the evidence open again");
    return null;
  }
}
