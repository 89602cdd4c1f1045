import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import * as v from "valibot";
import { messageOf } from "@paddock/base/errors.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { hexOf } from "./chain-name.ts";

export const DESCRIPTION_FILE = "description.json";
export const CLOSING_FILE = "closed.json";

const HASH = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u));
const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const Description = v.object({
  /** `fork`: two signed headers at one place. `link`: a signed header that does not follow its neighbour. */
  kind: v.picklist(["fork", "link"]),
  gateway: HASH,
  lane: v.picklist(["alarm", "telemetry", "bulk"]),
  epoch: COUNT,
  seq: COUNT,
  detail: v.string(),
  /** SHA-256 of the two headers. */
  storedHash: HASH,
  offeredHash: HASH,
  /** Unix ms. */
  found: v.number(),
});

/** What evidence says about itself: `description.json` in its directory. */
export type EvidenceDescription = Readonly<v.InferOutput<typeof Description>>;
export type EvidenceKind = EvidenceDescription["kind"];

const Closing = v.object({
  /** Unix ms. */
  at: v.number(),
  /** The operator's words. */
  why: v.string(),
});

/** That somebody looked into it: `closed.json` in its directory. */
export type EvidenceClosing = Readonly<v.InferOutput<typeof Closing>>;

/** Names of evidence: kind, gateway, lane, epoch, seq, and a hash over both headers' hashes. */
export const EVIDENCE_NAME = /^(fork|link)-[0-9a-f]{16}-[a-z]{1,16}-\d{1,10}-\d{1,16}-[0-9a-f]{16}$/u;

export function evidenceName(item: EvidenceDescription): string {
  const place = `${item.gateway.slice(0, 16)}-${item.lane}-${item.epoch}-${item.seq}`;
  return `${item.kind}-${place}-${hash(Buffer.from(item.storedHash + item.offeredHash)).slice(0, 16)}`;
}

export function describeHeaders(
  stored: Uint8Array,
  offered: Uint8Array,
): Pick<EvidenceDescription, "storedHash" | "offeredHash"> {
  return { storedHash: hash(stored), offeredHash: hash(offered) };
}

/** What is wrong with a description, whether there is one, and what the headers beside it say instead. */
interface DescriptionProblem {
  readonly problem: string;
  readonly present: boolean;
  readonly rebuilt: EvidenceDescription | undefined;
}

export async function readDescription(directory: string): Promise<EvidenceDescription | DescriptionProblem> {
  try {
    return v.parse(Description, JSON.parse(await readFile(join(directory, DESCRIPTION_FILE), "utf8")));
  } catch (error) {
    const rebuilt = await rebuild(directory).catch(() => undefined);
    return { problem: messageOf(error), present: (error as NodeJS.ErrnoException).code !== "ENOENT", rebuilt };
  }
}

/** Null when it is open. Throws what is wrong with the file. */
export async function readClosing(directory: string): Promise<EvidenceClosing | null> {
  let text: string;
  try {
    text = await readFile(join(directory, CLOSING_FILE), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return v.parse(Closing, JSON.parse(text));
}

/** From the headers; the kind stands in the directory's name alone. Throws when the headers are not those of the name. */
async function rebuild(directory: string): Promise<EvidenceDescription | undefined> {
  const name = basename(directory);
  const [stored, offered] = await Promise.all(
    ["stored", "offered"].map((side) => readFile(join(directory, `${side}-header.cose`))),
  );
  const header = decodeHeader(offered!);
  if (!header.ok) return undefined;
  const { gateway, position } = header.value;
  const description: EvidenceDescription = {
    kind: name.startsWith("fork") ? "fork" : "link",
    gateway: hexOf(gateway),
    lane: laneName(position.lane),
    epoch: position.epoch,
    seq: position.seq,
    detail: "Its description was damaged; the headers tell.",
    ...describeHeaders(stored!, offered!),
    found: Math.floor((await stat(join(directory, "offered-header.cose"))).mtimeMs),
  };
  return evidenceName(description) === name ? description : undefined;
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
